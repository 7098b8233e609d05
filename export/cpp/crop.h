// Squares cut from pictures: turned, scaled, mirrored. The arithmetic of kerashand/runtime/crop.py.
//
// Pixel centres are integers, so that a picture W wide reaches from -0.5 to W - 0.5. Positive
// angles are clockwise on the screen.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <vector>

constexpr int kJoints = 21;
constexpr int kWrist = 0;
constexpr int kMiddleMcp = 9;
// Joints on one spot still need a square that can be cut.
constexpr double kLeastSpanPx = 8.0;
constexpr double kPi = 3.14159265358979323846;

struct Point {
  double u, v;
};

using Joints = std::array<Point, kJoints>;

struct Box {
  double left, top, right, bottom;
};

// What is cut out: a square, and the turn of the picture about its centre before.
struct View {
  Point centre;
  double side_px;
  double angle_rad;
};

// u' = a u + b v + c, v' = d u + e v + f.
struct Affine {
  double a, b, c, d, e, f;

  Point operator()(Point p) const { return {a * p.u + b * p.v + c, d * p.u + e * p.v + f}; }
};

struct Picture {
  int width = 0, height = 0;
  std::vector<uint8_t> rgb;  // [height, width, 3]

  const uint8_t* at(int64_t column, int64_t row) const { return &rgb[(row * width + column) * 3]; }
};

inline Affine inverse(const Affine& m) {
  const double det = m.a * m.e - m.b * m.d;
  const double a = m.e / det, b = -m.b / det, d = -m.d / det, e = m.a / det;
  return {a, b, -(a * m.c + b * m.f), d, e, -(d * m.c + e * m.f)};
}

// The view of so many boxes around a box.
inline View squareAround(const Box& box, double margin) {
  const double side = std::max(box.right - box.left, box.bottom - box.top);
  return {{(box.left + box.right) / 2, (box.top + box.bottom) / 2}, side * margin, 0.0};
}

// The view of so many boxes around joints when the picture is turned by an angle.
inline View viewTurned(const Joints& uv, double angle, double margin) {
  const double cosine = std::cos(angle), sine = std::sin(angle);
  const Affine turn{cosine, -sine, 0, sine, cosine, 0};
  Point low = turn(uv[0]), high = low;
  for (const Point& joint : uv) {
    const Point p = turn(joint);
    low = {std::min(low.u, p.u), std::min(low.v, p.v)};
    high = {std::max(high.u, p.u), std::max(high.v, p.v)};
  }
  const double span = std::max({high.u - low.u, high.v - low.v, kLeastSpanPx});
  const Affine back{cosine, sine, 0, -sine, cosine, 0};
  return {back({(low.u + high.u) / 2, (low.v + high.v) / 2}), span * margin, angle};
}

// The view of so many boxes in which a hand stands with its fingers up, and a turn more.
inline View viewOfJoints(const Joints& uv, double margin, double turn_deg = 0.0) {
  const Point up{uv[kMiddleMcp].u - uv[kWrist].u, uv[kMiddleMcp].v - uv[kWrist].v};
  View view = viewTurned(uv, -kPi / 2 - std::atan2(up.v, up.u), margin);
  view.angle_rad += turn_deg * kPi / 180;
  return view;
}

// Map from pixels of the picture to those of the crop; `mirrored` shows left hands as right ones.
inline Affine cropFromImage(const View& view, int size_px, bool mirrored) {
  const double zoom = size_px / view.side_px;
  const double cosine = zoom * std::cos(view.angle_rad), sine = zoom * std::sin(view.angle_rad);
  const double middle = (size_px - 1) / 2.0;
  const Point& c = view.centre;
  Affine m{cosine, -sine, middle - (cosine * c.u - sine * c.v),
           sine,   cosine, middle - (sine * c.u + cosine * c.v)};
  if (mirrored) {
    m.a = -m.a;
    m.b = -m.b;
    m.c = size_px - 1 - m.c;
  }
  return m;
}

// The part of a picture that a crop covers, averaged in blocks; `image_from_crop` then leads to it.
inline Picture averaged(const Picture& picture, Affine& image_from_crop, int block, int size_px) {
  const double last = size_px - 1;
  Point low = image_from_crop({0, 0}), high = low;
  for (const Point& corner : {Point{last, 0}, Point{0, last}, Point{last, last}}) {
    const Point p = image_from_crop(corner);
    low = {std::min(low.u, p.u), std::min(low.v, p.v)};
    high = {std::max(high.u, p.u), std::max(high.v, p.v)};
  }
  // Clipped as numbers first: a square may lie far outside.
  const auto from = [block](double least, int size) {
    return static_cast<int>(std::clamp(std::floor(least) - block, 0.0, size - 1.0));
  };
  const auto to = [block](double most, int first, int size) {
    return static_cast<int>(std::clamp(std::ceil(most) + block + 1, first + 1.0, double(size)));
  };
  const int left = from(low.u, picture.width), top = from(low.v, picture.height);
  const int right = to(high.u, left, picture.width), bottom = to(high.v, top, picture.height);
  Picture small;
  small.width = (right - left + block - 1) / block;
  small.height = (bottom - top + block - 1) / block;
  small.rgb.reserve(size_t(small.width) * small.height * 3);
  for (int row = 0; row < small.height; ++row)
    for (int column = 0; column < small.width; ++column)
      for (int channel = 0; channel < 3; ++channel) {
        int64_t sum = 0;
        for (int v = 0; v < block; ++v)
          for (int u = 0; u < block; ++u)  // beyond the part its last pixel is repeated
            sum += picture.at(std::min(left + column * block + u, right - 1),
                              std::min(top + row * block + v, bottom - 1))[channel];
        small.rgb.push_back(uint8_t(std::nearbyint(float(sum) / float(block * block))));
      }
  // Pixel p of the picture lies at (p - low + 0.5) / block - 0.5.
  Affine& m = image_from_crop;
  m = {m.a / block, m.b / block, (m.c + 0.5 - left) / block - 0.5,
       m.d / block, m.e / block, (m.f + 0.5 - top) / block - 0.5};
  return small;
}

// Reflect an index into 0 .. size - 1 without repeating the edge.
inline int64_t mirrorIndex(int64_t index, int size) {
  if (size == 1) return 0;
  const int64_t period = 2 * (int64_t(size) - 1);
  index = std::abs(index) % period;
  return index >= size ? period - index : index;
}

// A crop [size_px, size_px, 3]: bilinear; where one of its pixels covers several of the picture,
// these are averaged in blocks first; beyond the edge the picture is mirrored.
inline std::vector<uint8_t> cut(const Picture& whole, const Affine& crop_from_image, int size_px) {
  Affine map = inverse(crop_from_image);
  // Squares of exactly 2, 3, ... sizes must not fall below that number by rounding.
  const double shrink = std::sqrt(std::abs(map.a * map.e - map.b * map.d)) + 1e-9;
  Picture small;
  const Picture* picture = &whole;
  if (shrink >= 2.0) {
    small = averaged(whole, map, int(shrink), size_px);
    picture = &small;
  }
  std::vector<uint8_t> crop;
  crop.reserve(size_t(size_px) * size_px * 3);
  for (int row = 0; row < size_px; ++row)
    for (int column = 0; column < size_px; ++column) {
      const Point p = map({double(column), double(row)});
      const double left = std::floor(p.u), top = std::floor(p.v);
      const float part_u = float(p.u - left), part_v = float(p.v - top);
      const int64_t columns[2] = {mirrorIndex(int64_t(left), picture->width),
                                  mirrorIndex(int64_t(left) + 1, picture->width)};
      const int64_t rows[2] = {mirrorIndex(int64_t(top), picture->height),
                               mirrorIndex(int64_t(top) + 1, picture->height)};
      for (int channel = 0; channel < 3; ++channel) {
        float lines[2];
        for (int i = 0; i < 2; ++i)
          lines[i] = picture->at(columns[0], rows[i])[channel] * (1.0f - part_u) +
                     picture->at(columns[1], rows[i])[channel] * part_u;
        crop.push_back(uint8_t(std::nearbyint(lines[0] * (1.0f - part_v) + lines[1] * part_v)));
      }
    }
  return crop;
}
