// The joints of a hand in a picture, as kerashand/runtime/hand_pose.py finds them in a given box.
#pragma once

#include <algorithm>
#include <array>
#include <iterator>
#include <stdexcept>

#include "crop.h"
#include "pose_model.h"

enum class Side { kLeft, kRight };

struct Hand {
  Side side;
  double score;  // 0..1, how sure it is that this is a hand with these joints
  Joints uv_px;  // pixels of the picture
  // Depth behind the wrist in lengths of the scale bone, and 0..1 for each joint.
  std::array<double, kJoints> z_relative, confidence;
};

// Boxes must be as large, in pixels, and may be as large, in pictures.
constexpr double kLeastBoxPx = 2, kLargestBox = 4;

// Throws std::invalid_argument unless the picture is one and the box meets it.
inline void check(const Picture& picture, const Box& box) {
  const double width = picture.width, height = picture.height;
  if (!(width > 0 && height > 0 && double(picture.rgb.size()) == width * height * 3))
    throw std::invalid_argument("The picture must hold [height, width, 3] bytes.");
  // Written so that NaN is refused too.
  if (!(box.left < box.right && box.top < box.bottom))
    throw std::invalid_argument("The box must have left < right and top < bottom.");
  if (!(box.left < width && box.right > 0 && box.top < height && box.bottom > 0))
    throw std::invalid_argument("The box must meet the picture.");
  const double side = std::max(box.right - box.left, box.bottom - box.top);
  if (!(side >= kLeastBoxPx && side <= kLargestBox * std::max(width, height)))
    throw std::invalid_argument("The box must be 2 pixels to 4 pictures large.");
}

inline Hand look(PoseModel& model, const Picture& picture, const View& view, Side side) {
  const Affine crop_from_image = cropFromImage(view, model.size_px(), side == Side::kLeft);
  const JointsOfCrop seen = model(cut(picture, crop_from_image, model.size_px()));
  const Affine image_from_crop = inverse(crop_from_image);
  Hand hand{side, 0.0, {}, seen.z_relative, seen.confidence};
  for (int i = 0; i < kJoints; ++i) {
    hand.uv_px[i] = image_from_crop(seen.uv_px[i]);
    hand.score += seen.confidence[i] / kJoints;
  }
  return hand;
}

// Squares of further looks, beside that of the joints, and their turns, again from the front.
constexpr double kCloser = 0.95, kTurns[] = {0.0, -kPi / 18, kPi / 18};

// A further look at the hand, closer and with the fingers up or turned a little to a side.
inline Hand lookAgain(PoseModel& model, const Picture& picture, const Hand& last, int number) {
  View view = viewOfJoints(last.uv_px);
  view.side_px *= kCloser;
  view.angle_rad += kTurns[number % std::size(kTurns)];
  return look(model, picture, view, last.handedness);
}

// What the first look counts beside the next, and what gives two scores of 0 a mean.
constexpr double kEarlierLook = 0.25, kLeastWeight = 1e-6;

// The mean of what was seen before, which counts so many looks, and of a look.
inline Hand blended(const Hand& before, const Hand& now, double before_counts) {
  Hand hand{now.handedness, 0.0, {}, {}, {}};
  for (int i = 0; i < kJoints; ++i) {
    const double first = before_counts * before.confidence[i] * before.confidence[i] + kLeastWeight;
    const double second = now.confidence[i] * now.confidence[i] + kLeastWeight;
    const double share = second / (first + second);
    const auto mean = [share](double a, double b) { return a + share * (b - a); };
    hand.uv_px[i] = {mean(before.uv_px[i].u, now.uv_px[i].u),
                     mean(before.uv_px[i].v, now.uv_px[i].v)};
    hand.z_relative[i] = mean(before.z_relative[i], now.z_relative[i]);
    hand.confidence[i] = mean(before.confidence[i], now.confidence[i]);
    hand.score += hand.confidence[i] / kJoints;
  }
  return hand;
}

// Looks that only tell where to look next, before those that count.
constexpr int kMostSearches = 3;

// The hand of a look at a view, looked for again until the view fits its joints.
inline Hand settled(PoseModel& model, const Picture& picture, View view, Hand hand) {
  for (int search = 0; search < kMostSearches && !fits(view, hand.uv_px); ++search) {
    view = viewOfJoints(hand.uv_px);
    hand = look(model, picture, view, hand.handedness);
  }
  return hand;
}

// The hand of the frame before in the next one of a video.
inline Hand follow(PoseModel& model, const Picture& picture, const Hand& last) {
  const View view = viewOfJoints(last.uv_px);
  return settled(model, picture, view, look(model, picture, view, last.handedness));
}

// The hand in a box, in pixels of the picture.
inline Hand handIn(PoseModel& model, const Picture& picture, const Box& box, Side side,
                   int passes = 4) {
  check(picture, box);
  const View view = squareAround(box);
  Hand hand = look(model, picture, view, side);
  if (passes > 1) hand = settled(model, picture, view, hand);
  for (int number = 0; number < passes - 1; ++number) {
    hand = blended(hand, lookAgain(model, picture, hand, number), kEarlierLook + number);
  }
  return hand;
}
