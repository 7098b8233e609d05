"""Small programs for MediaPipe's hands, as people write them; each leaves an `answer`."""

HEAD = """
import cv2
import numpy as np
from kerashand.compat import mediapipe as mp
"""
WEBCAM_WITH_DRAWING = """
mp_hands = mp.solutions.hands
mp_drawing = mp.solutions.drawing_utils
mp_styles = mp.solutions.drawing_styles
cap = cv2.VideoCapture(0)
drawn = 0
with mp_hands.Hands(model_complexity=0, min_detection_confidence=0.5,
                    min_tracking_confidence=0.5) as hands:
    while cap.isOpened():
        success, image = cap.read()
        if not success:
            break
        image.flags.writeable = False
        results = hands.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        image.flags.writeable = True
        before = image.copy()
        if results.multi_hand_landmarks:
            for hand_landmarks in results.multi_hand_landmarks:
                mp_drawing.draw_landmarks(
                    image, hand_landmarks, mp_hands.HAND_CONNECTIONS,
                    mp_styles.get_default_hand_landmarks_style(),
                    mp_styles.get_default_hand_connections_style())
        drawn += int((image != before).any(axis=2).sum() > 500)
        cv2.imshow("hands", cv2.flip(image, 1))
        if cv2.waitKey(5) & 0xFF == 27:
            break
cap.release()
answer = drawn
"""
FINGER_COUNTING = """
hands = mp.solutions.hands.Hands(max_num_hands=1, min_detection_confidence=0.7)
success, img = cv2.VideoCapture(0).read()
h, w, c = img.shape
results = hands.process(cv2.cvtColor(img, cv2.COLOR_BGR2RGB))
lm_list = []
if results.multi_hand_landmarks:
    for hand in results.multi_hand_landmarks:
        for id, lm in enumerate(hand.landmark):
            lm_list.append([id, int(lm.x * w), int(lm.y * h)])
fingers = [1 if lm_list[4][1] > lm_list[3][1] else 0]
for tip in (8, 12, 16, 20):
    fingers.append(1 if lm_list[tip][2] < lm_list[tip - 2][2] else 0)
answer = fingers.count(1)
"""
VOLUME_BY_PINCH = """
import math
hands = mp.solutions.hands.Hands(False, 1, 1, 0.5, 0.5)
image = cv2.VideoCapture(0).read()[1]
height, width, _ = image.shape
result = hands.process(image[:, :, ::-1])
thumb, index = (result.multi_hand_landmarks[0].landmark[i] for i in (4, 8))
length = math.hypot((thumb.x - index.x) * width, (thumb.y - index.y) * height)
answer = float(np.interp(length, [10, 120], [0, 100]))
"""
DRAWING_IN_THE_AIR = """
from collections import deque
mpHands = mp.solutions.hands
mpDraw = mp.solutions.drawing_utils
hands = mpHands.Hands(max_num_hands=1)
points, canvas = deque(maxlen=512), np.zeros((256, 256, 3), np.uint8)
cap = cv2.VideoCapture(0)
while True:
    ok, frame = cap.read()
    if not ok:
        break
    result = hands.process(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    if result.multi_hand_landmarks is not None:
        tip = result.multi_hand_landmarks[0].landmark[mpHands.HandLandmark.INDEX_FINGER_TIP]
        point = mpDraw._normalized_to_pixel_coordinates(tip.x, tip.y, 256, 256)
        if point:
            points.append(point)
for a, b in zip(list(points), list(points)[1:]):
    cv2.line(canvas, a, b, (255, 0, 0), 3)
answer = len(points), bool(canvas.any())
"""
ROCK_PAPER_SCISSORS = """
def move(hand_landmarks):
    p = np.array([[lm.x, lm.y] for lm in hand_landmarks.landmark])
    far = np.linalg.norm(p - p[0], axis=1)
    straight = [far[tip] > far[tip - 2] for tip in (8, 12, 16, 20)]
    if straight == [True, True, False, False]:
        return "scissors"
    return {0: "rock", 4: "paper"}.get(sum(straight), "unclear")

hands = mp.solutions.hands.Hands(static_image_mode=True, max_num_hands=1)
cap, answer = cv2.VideoCapture(0), []
for _ in range(3):
    _, frame = cap.read()
    results = hands.process(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    answer.append(move(results.multi_hand_landmarks[0]))
hands.close()
"""
SIGN_LETTERS = """
class NearestLetter:
    def fit(self, rows, letters):
        self.rows, self.letters = np.array(rows), letters
    def predict(self, row):
        return self.letters[int(np.linalg.norm(self.rows - row, axis=1).argmin())]

def vector(results):
    data = []
    for hand_landmarks in results.multi_hand_landmarks:
        xs = [hand_landmarks.landmark[i].x for i in range(len(hand_landmarks.landmark))]
        ys = [lm.y for lm in hand_landmarks.landmark]
        for lm in hand_landmarks.landmark:
            data += [lm.x - min(xs), lm.y - min(ys), lm.z]
    return data

hands = mp.solutions.hands.Hands(static_image_mode=True, max_num_hands=1)
cap = cv2.VideoCapture(0)
rows = [vector(hands.process(cv2.cvtColor(cap.read()[1], cv2.COLOR_BGR2RGB))) for _ in range(2)]
model = NearestLetter()
model.fit(rows, ["B", "S"])
noise = np.random.default_rng(0).normal(0.0, 0.01, len(rows[1]))
answer = len(rows[0]), model.predict(np.array(rows[1]) + noise)
"""
MOUSE_CONTROL = """
import pyautogui
screen_w, screen_h = pyautogui.size()
hands = mp.solutions.hands.Hands(max_num_hands=1)
drawing_utils = mp.solutions.drawing_utils
_, frame = cv2.VideoCapture(0).read()
frame = cv2.flip(frame, 1)
hand_list = hands.process(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)).multi_hand_landmarks
for hand in hand_list:
    drawing_utils.draw_landmarks(frame, hand)
    for id, landmark in enumerate(hand.landmark):
        if id == 8:
            pyautogui.moveTo(screen_w * landmark.x, screen_h * landmark.y)
answer = pyautogui.position
"""
BOTH_HANDS = """
from google.protobuf.json_format import MessageToDict
hands = mp.solutions.hands.Hands(static_image_mode=True, max_num_hands=2)
img = cv2.flip(cv2.VideoCapture(0).read()[1], 1)
results = hands.process(cv2.cvtColor(img, cv2.COLOR_BGR2RGB))
answer = {}
for handedness, hand in zip(results.multi_handedness, results.multi_hand_landmarks):
    label = MessageToDict(handedness)["classification"][0]["label"]
    assert label == handedness.classification[0].label
    assert handedness.classification[0].score > 0.5
    answer[label] = hand.landmark[0].x < 0.5
"""
WORLD_LANDMARKS = """
from kerashand.compat.mediapipe.framework.formats import landmark_pb2
J = mp.solutions.hands.HandLandmark
hands = mp.solutions.hands.Hands(static_image_mode=True)
result = hands.process(cv2.cvtColor(cv2.VideoCapture(0).read()[1], cv2.COLOR_BGR2RGB))
world = result.multi_hand_world_landmarks[0]

def at(joint):
    p = world.landmark[joint]
    return np.array([p.x, p.y, p.z])

def angle(a, b, c):
    u, v = at(a) - at(b), at(c) - at(b)
    return np.degrees(np.arccos(u @ v / np.linalg.norm(u) / np.linalg.norm(v)))

proto = landmark_pb2.NormalizedLandmarkList()
proto.landmark.extend([
    landmark_pb2.NormalizedLandmark(x=lm.x, y=lm.y, z=lm.z)
    for lm in result.multi_hand_landmarks[0].landmark])
answer = (
    angle(J.MIDDLE_FINGER_MCP, J.MIDDLE_FINGER_PIP, J.MIDDLE_FINGER_TIP),
    np.linalg.norm(at(J.WRIST) - at(J.MIDDLE_FINGER_MCP)),
    proto == result.multi_hand_landmarks[0],
)
"""
