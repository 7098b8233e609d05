"""What damages a file of a data set: cuts, and changes of pickles, JSON, text and pictures."""

import json
import pickle

import cv2
import numpy as np


def cut(path, share=0.5):
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])


def edit_pickle(path, change):
    with open(path, "rb") as file:
        held = pickle.load(file)
    held = change(held) or held
    with open(path, "wb") as file:
        pickle.dump(held, file)


def edit_json(path, change):
    held = json.loads(path.read_text())
    path.write_text(json.dumps(change(held) or held))


def edit_text(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def repaint(path, change):
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert cv2.imwrite(str(path), change(picture))


class Malicious:
    """What must not run."""

    def __reduce__(self):
        return eval, ("open('/tmp/kerashand-was-here', 'w')",)


def each(folder, pattern, change):
    for path in sorted(folder.glob(pattern)):
        repaint(path, change)


ANNO = "training/anno_training.pickle"


def set_row(number, key, value):
    def change(held):
        held[number][key] = value(held[number][key])

    return change


def with_nan(array):
    array = np.array(array)
    array[..., 0, 0] = np.nan
    return array


def rows_of(key, change):
    def edit(held):
        return {number: row | {key: change(row[key])} for number, row in held.items()}

    return edit


def first_line(change):
    def edit(root):
        path = root / "points.jsonl"
        lines = path.read_text().splitlines()
        row = json.loads(lines[0])
        lines[0] = change(row) or json.dumps(row)
        path.write_text("\n".join(lines))

    return edit


def save_mat(root, **arrays):
    from scipy.io import savemat

    savemat(root / "labels" / "B3Random_SK.mat", arrays)
