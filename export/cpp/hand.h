// A hand in a picture, read in several passes of the network: kerashand/runtime/hand_pose.py.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "crop.h"
#include "recipe.h"

enum class Handedness { kLeft, kRight };

struct Hand {
  Handedness handedness;
  std::optional<double> p_right;  // 0..1, how likely it is a right hand; nothing where it was given
  double score;                   // 0..1, how likely there is a hand
  Joints uv_px;                   // pixels of the picture
  // Depth behind the wrist in lengths of the scale bone, and 0..1 for each joint.
  std::array<double, kJoints> z_relative, confidence;
};

// Where a hand is.
struct Detection {
  Box box;                             // in pixels of the picture
  Handedness handedness;               // that the first pass takes it for
  std::optional<double> p_right = {};  // nothing where the handedness is given
  double upright_rad = 0.0;            // turns the picture so that the hand's fingers point up
};

// What the network says of a crop, in which every hand should be a right one.
struct CropOutput {
  Joints uv_px;  // pixels of the crop
  std::array<double, kJoints> z_relative, confidence;
  std::optional<double> p_right, p_hand;  // of models with heads
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

// Probabilities are kept so far from 0 and 1, so that one pass cannot outvote all others.
constexpr double kLeastP = 1e-4;
// Of a joint in a mean, so that confidences of 0 have one.
constexpr double kLeastWeight = 1e-6;
// A view beyond this takes a crop for ever or leads out of all numbers; in pixels.
constexpr double kLeastView = 1e-3, kLargestView = 1e6;

// Whether joints lie as they should in the view in which the network saw them.
inline bool fits(const View& view, const Joints& uv_px, const Recipe& recipe) {
  const View own = viewTurned(uv_px, view.angle_rad, recipe.margin);
  const double size = own.side_px / view.side_px;
  const double off = std::hypot(own.centre.u - view.centre.u, own.centre.v - view.centre.v);
  return recipe.smallest_fit <= size && size <= recipe.largest_fit &&
         off <= recipe.most_shift * view.side_px;
}

// The passes on one hand. `Model` is `PoseModel`, or what takes its place in a test.
template <class Model>
class HandReader {
 public:
  // `asks`: whether the passes say the handedness, if the model has heads for it.
  HandReader(Model& model, const Picture& picture, bool asks)
      : model_(model), picture_(picture), asks_(asks && model.has_heads()) {}

  // One run of the network; it sees left hands mirrored, as right ones.
  void pass(const View& view, Handedness handedness) {
    if (!(view.side_px > kLeastView && view.side_px < kLargestView &&
          std::hypot(view.centre.u, view.centre.v) < kLargestView))
      throw std::runtime_error("The model asks for a crop without sense: its file is damaged.");
    const bool mirrored = handedness == Handedness::kLeft;
    const Affine crop_from_image = cropFromImage(view, model_.size_px(), mirrored);
    const CropOutput seen = model_(picture_, crop_from_image);
    Hand hand{handedness, seen.p_right, 0.0, {}, seen.z_relative, seen.confidence};
    const Affine image_from_crop = inverse(crop_from_image);
    for (int i = 0; i < kJoints; ++i) hand.uv_px[i] = image_from_crop(seen.uv_px[i]);
    hand.score = seen.p_hand ? *seen.p_hand : meanOf(seen.confidence);
    if (mirrored && seen.p_right) hand.p_right = 1.0 - *seen.p_right;
    passes_.push_back({hand, fits(view, hand.uv_px, model_.recipe())});
  }

  // More passes until so many count, `most` in all.
  void more(int wanted, int most) {
    const Recipe& recipe = model_.recipe();
    while (int(passes_.size()) < most) {
      const Handedness now = handedness();
      const auto good = std::count_if(passes_.begin(), passes_.end(),
                                      [now](const Pass& one) { return one.counts(now); });
      if (good >= wanted) return;
      const size_t turn = good > 0 ? good - 1 : 0;
      pass(viewOfJoints(last().uv_px, recipe.margin * recipe.closer,
                        recipe.turns_deg[turn % recipe.turns_deg.size()]),
           now);
    }
  }

  const Hand& last() const { return passes_.back().hand; }

  // Whether the last pass is enough: it fits, and surely saw a hand of its side, and joints.
  bool sure() const {
    const Pass& one = passes_.back();
    if (!one.hand.p_right || !one.fits) return false;
    const bool right = one.hand.handedness == Handedness::kRight;
    const double p_seen = right ? *one.hand.p_right : 1.0 - *one.hand.p_right;
    const Recipe& recipe = model_.recipe();
    return std::min(one.hand.score, p_seen) > recipe.sure &&
           meanOf(one.hand.confidence) > recipe.sure_joints;
  }

  // The mean of the passes that count, or the last if none does. A joint counts by the weight of
  // its pass times the square of its confidence.
  Hand mean() const {
    Hand hand{handedness(), {}, 0.0, {}, {}, {}};
    if (asks_) hand.p_right = pRight();
    std::vector<std::pair<const Hand*, double>> good;
    for (size_t i = 0; i < passes_.size(); ++i)
      if (passes_[i].counts(hand.handedness)) good.push_back({&passes_[i].hand, weight(i)});
    if (good.empty()) good.push_back({&last(), 1.0});
    std::array<double, kJoints> shares{};
    for (const auto& [one, weight] : good) {
      for (int i = 0; i < kJoints; ++i) {
        const double share = weight * one->confidence[i] * one->confidence[i] + kLeastWeight;
        shares[i] += share;
        hand.uv_px[i].u += share * one->uv_px[i].u;
        hand.uv_px[i].v += share * one->uv_px[i].v;
        hand.z_relative[i] += share * one->z_relative[i];
        hand.confidence[i] += share * one->confidence[i];
      }
    }
    for (int i = 0; i < kJoints; ++i) {
      hand.uv_px[i] = {hand.uv_px[i].u / shares[i], hand.uv_px[i].v / shares[i]};
      hand.z_relative[i] /= shares[i];
      hand.confidence[i] /= shares[i];
    }
    hand.score = meanOf(hand.confidence);
    if (model_.has_heads())  // every pass must see a hand
      hand.score = std::min_element(passes_.begin(), passes_.end(), [](const Pass& a, const Pass& b) {
                     return a.hand.score < b.hand.score;
                   })->hand.score;
    return hand;
  }

 private:
  struct Pass {
    Hand hand;
    bool fits;

    bool counts(Handedness now) const { return fits && hand.handedness == now; }
  };

  static double meanOf(const std::array<double, kJoints>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / kJoints;
  }

  // The first pass counts less, unless it is the only one.
  double weight(size_t number) const {
    return number == 0 && passes_.size() > 1 ? model_.recipe().first_weight : 1.0;
  }

  // By the mean logit of all passes.
  double pRight() const {
    double sum = 0.0, weights = 0.0;
    for (size_t i = 0; i < passes_.size(); ++i) {
      const double p = std::clamp(*passes_[i].hand.p_right, kLeastP, 1.0 - kLeastP);
      sum += weight(i) * std::log(p / (1.0 - p));
      weights += weight(i);
    }
    return 1.0 / (1.0 + std::exp(-sum / weights));
  }

  Handedness handedness() const {
    if (!asks_) return passes_.front().hand.handedness;
    return pRight() >= 0.5 ? Handedness::kRight : Handedness::kLeft;
  }

  Model& model_;
  const Picture& picture_;
  const bool asks_;
  std::vector<Pass> passes_;
};

// The hand of a detection; so many passes, or one where that is sure, else those of the recipe.
template <class Model>
Hand handIn(Model& model, const Picture& picture, const Detection& detection,
            std::optional<int> passes = {}) {
  check(picture, detection.box);
  const Recipe& recipe = model.recipe();
  const int wanted = passes ? *passes : int(recipe.passes);
  HandReader<Model> reader(model, picture, detection.p_right.has_value());
  View view = squareAround(detection.box, recipe.margin);
  view.angle_rad = detection.upright_rad;
  reader.pass(view, detection.handedness);
  if (passes || !reader.sure())
    reader.more(wanted, wanted > 1 ? wanted + int(recipe.extra_passes) : 1);
  Hand hand = reader.mean();
  if (!model.has_heads()) hand.p_right = detection.p_right;
  return hand;
}

// The hand of the frame before in the next one of a video.
template <class Model>
Hand follow(Model& model, const Picture& picture, const Hand& last) {
  const Recipe& recipe = model.recipe();
  HandReader<Model> reader(model, picture, false);
  reader.pass(viewOfJoints(last.uv_px, recipe.margin), last.handedness);
  reader.more(1, 1 + int(recipe.extra_passes));
  return reader.last();
}
