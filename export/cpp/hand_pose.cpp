// The joints of a hand in a picture, as JSON: hand_pose --help.

#include <cctype>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>

#include "hand.h"
#include "pose_model.h"

namespace {

constexpr const char* kUsage =
    "usage: hand_pose MODEL.tflite PICTURE.ppm LEFT,TOP,RIGHT,BOTTOM left|right|auto [PASSES] "
    "[--time]\n"
    "Joints of the hand in a box, in pixels of the picture, as JSON: the mean of so many passes\n"
    "of the model, or of those that its file says. auto: a model with heads says the handedness.\n"
    "--time adds a line on stderr: milliseconds of a pass, the mean of 200 after 20.\n";
constexpr int kLargestPicturePx = 1 << 15;
constexpr int kWarmUp = 20, kTimed = 200;

// The next number of a PPM's head; comments reach from # to the end of a line.
int numberIn(std::istream& file) {
  for (int next = file.peek(); next == '#' || std::isspace(next); next = file.peek())
    if (file.get() == '#')
      while (file && file.get() != '\n') {
      }
  int number = -1;
  return file >> number ? number : -1;
}

Picture readPpm(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + " does not exist or cannot be read.");
  if (file.get() != 'P' || file.get() != '6')
    throw std::runtime_error(path + " is not a binary PPM picture (it does not start with P6).");
  Picture picture;
  picture.width = numberIn(file);
  picture.height = numberIn(file);
  const int most = numberIn(file);
  if (std::min(picture.width, picture.height) < 1 ||
      std::max(picture.width, picture.height) > kLargestPicturePx || most != 255)
    throw std::runtime_error(path + " is not a PPM picture with 8 bits a channel.");
  file.get();  // one white space stands before the pixels
  // Row by row: a damaged head may promise more than there is.
  const size_t row_bytes = size_t(picture.width) * 3;
  for (int row = 0; row < picture.height; ++row) {
    picture.rgb.resize((row + 1) * row_bytes);
    if (!file.read(reinterpret_cast<char*>(&picture.rgb[row * row_bytes]), row_bytes))
      throw std::runtime_error(path + " ends before its last pixel.");
  }
  return picture;
}

Box boxFrom(const std::string& text) {
  Box box;
  char rest;
  if (std::sscanf(text.c_str(), "%lf,%lf,%lf,%lf%c", &box.left, &box.top, &box.right, &box.bottom,
                  &rest) != 4)
    throw std::invalid_argument("The box must be LEFT,TOP,RIGHT,BOTTOM. Received: " + text);
  return box;
}

Detection detectionFrom(const std::string& box, const std::string& handedness) {
  if (handedness == "left") return {boxFrom(box), Handedness::kLeft, {}};
  if (handedness == "right") return {boxFrom(box), Handedness::kRight, {}};
  if (handedness == "auto") return {boxFrom(box), Handedness::kRight, 0.5};
  throw std::invalid_argument("The handedness must be left, right or auto. Received: " +
                              handedness);
}

int passesFrom(const std::string& text) {
  if (text.size() == 1 && text >= "1" && text <= "9") return text[0] - '0';
  throw std::invalid_argument("The passes must be 1 to 9. Received: " + text);
}

void print(const Hand& hand) {
  const std::string p_right = hand.p_right ? std::to_string(*hand.p_right) : "null";
  std::printf("{\"handedness\": \"%s\", \"p_right\": %s, \"score\": %.6f, \"joints\": [",
              hand.handedness == Handedness::kLeft ? "left" : "right", p_right.c_str(), hand.score);
  for (int i = 0; i < kJoints; ++i)
    std::printf("%s\n  {\"uv_px\": [%.4f, %.4f], \"z_relative\": %.6f, \"confidence\": %.6f}",
                i ? "," : "", hand.uv_px[i].u, hand.uv_px[i].v, hand.z_relative[i],
                hand.confidence[i]);
  std::printf("\n]}\n");
}

void time(PoseModel& model, const Picture& picture, const Hand& hand) {
  using Clock = std::chrono::steady_clock;
  const View view = viewOfJoints(hand.uv_px, model.recipe().margin);
  Clock::time_point start;
  for (int i = 0; i < kWarmUp + kTimed; ++i) {
    if (i == kWarmUp) start = Clock::now();
    HandReader(model, picture, false).pass(view, hand.handedness);
  }
  const std::chrono::duration<double, std::milli> passed = Clock::now() - start;
  std::fprintf(stderr, "%.2f ms a pass\n", passed.count() / kTimed);
}

void run(int count, char** words, bool timed) {
  const Detection detection = detectionFrom(words[3], words[4]);
  std::optional<int> passes;
  if (count > 5) passes = passesFrom(words[5]);
  const Picture picture = readPpm(words[2]);
  check(picture, detection.box);
  PoseModel model(words[1]);
  if (detection.p_right && !model.has_heads())
    throw std::invalid_argument("This model does not say the handedness: give left or right.");
  const Hand hand = handIn(model, picture, detection, passes);
  print(hand);
  if (timed) time(model, picture, hand);
}

}  // namespace

int main(int count, char** words) {
  if (count == 2 && !std::strcmp(words[1], "--help")) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  const bool timed = count > 1 && !std::strcmp(words[count - 1], "--time");
  count -= timed;
  if (count < 5 || count > 6) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  try {
    run(count, words, timed);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "hand_pose: %s\n", error.what());
    return 2;
  }
  return 0;
}
