"""Skeleton: names, bones, colours and data-set orders."""

import itertools

import numpy as np

from kerashand import skeleton as sk


def test_convention_joint_order():
    assert sk.NUM_JOINTS == 21
    assert sk.JOINT_NAMES[sk.ROOT] == "wrist"
    for finger, joints in sk.FINGERS.items():
        assert all(sk.JOINT_NAMES[j].startswith(finger) for j in joints)
        assert sk.JOINT_NAMES[joints[-1]] == f"{finger}_tip"
    assert sorted(j for joints in sk.FINGERS.values() for j in joints) == list(range(1, 21))


def test_bones_follow_fingers_from_the_wrist():
    assert len(sk.BONES) == 20
    assert sk.PARENTS[sk.ROOT] == -1
    for joints in sk.FINGERS.values():
        chain = (sk.ROOT, *joints)
        assert all(pair in sk.BONES for pair in itertools.pairwise(chain))


def test_scale_bones_name_their_joints():
    names = {k: tuple(sk.JOINT_NAMES[j] for j in v) for k, v in sk.SCALE_BONES.items()}
    assert names["middle_mcp_pip"] == ("middle_mcp", "middle_pip")
    assert names["wrist_middle_mcp"] == ("wrist", "middle_mcp")


def test_colours_one_hue_a_finger():
    assert sk.JOINT_COLOURS.shape == (21, 3)
    assert sk.BONE_COLOURS.shape == (20, 3)
    assert sk.JOINT_COLOURS.dtype == sk.BONE_COLOURS.dtype == np.uint8
    for joints in sk.FINGERS.values():
        assert len(np.unique(sk.JOINT_COLOURS[list(joints)], axis=0)) == 1
    assert len(np.unique(sk.JOINT_COLOURS, axis=0)) == 6
    for (_, child), colour in zip(sk.BONES, sk.BONE_COLOURS, strict=True):
        np.testing.assert_array_equal(colour, sk.JOINT_COLOURS[child])


def test_convention_rhd_order():
    rhd = ["wrist"]
    for finger in ("thumb", "index", "middle", "ring", "little"):
        rhd += [sk.JOINT_NAMES[j] for j in reversed(sk.FINGERS[finger])]
    assert tuple(rhd[i] for i in sk.FROM_RHD) == sk.JOINT_NAMES


def test_convention_stb_order():
    stb = ["wrist"]  # in fact the palm centre
    for finger in ("little", "ring", "middle", "index", "thumb"):
        stb += [sk.JOINT_NAMES[j] for j in sk.FINGERS[finger]]
    assert tuple(stb[i] for i in sk.FROM_STB) == sk.JOINT_NAMES
