// How often the network runs on a hand and on which crops: numbers in the description of a file, as
// in kerashand/runtime/recipe.py, which explains them.
#pragma once

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

struct Recipe {
  double margin = 1.3, closer = 0.95, first_weight = 0.25;
  double smallest_fit = 0.75, largest_fit = 1.33, most_shift = 0.15;
  double passes = 2, extra_passes = 3;  // whole numbers
  double sure = 0.9, sure_joints = 0.6;
  std::vector<double> turns_deg = {0.0, -10.0, 10.0};

  // A value by its name in a description. Throws std::runtime_error for an unknown name, or a value
  // that is out of range.
  void set(const std::string& name, bool is_list, const std::vector<double>& values) {
    enum Kind { kNumber, kCount, kList };
    // Read by trackers and with detectors alone, but wrong values are refused in every program.
    double tracked;
    const struct Known {
      const char* name;
      double* value;
      Kind kind = kNumber;
      double most = 1e6, least = 0;
    } all[] = {{"margin", &margin, kNumber, 4, 0.5},
               {"closer", &closer, kNumber, 4, 0.1},
               {"passes", &passes, kCount, 16},
               {"extra_passes", &extra_passes, kCount, 16},
               {"sure", &sure, kNumber, 1},
               {"sure_joints", &sure_joints, kNumber, 1},
               {"turns_deg", &tracked, kList, 180},
               {"first_weight", &first_weight, kNumber, 1e6, 0.01},
               {"smallest_fit", &smallest_fit},
               {"largest_fit", &largest_fit},
               {"most_shift", &most_shift},
               {"search_every_frames", &tracked, kCount},
               {"check_every_frames", &tracked, kCount},
               {"misses_to_lose", &tracked, kCount},
               {"handedness_frames", &tracked, kCount},
               {"least_hand", &tracked, kNumber, 1},
               {"least_score", &tracked},
               {"same_hand", &tracked},
               {"doubled", &tracked},
               {"min_cutoff_hz", &tracked, kNumber, 1e6, 0.01},
               {"beta", &tracked},
               {"depth_min_cutoff_hz", &tracked, kNumber, 1e6, 0.01},
               {"depth_beta", &tracked}};
    const auto known = std::find_if(std::begin(all), std::end(all),
                                    [&](const Known& one) { return one.name == name; });
    if (known == std::end(all))
      throw std::runtime_error("The `recipe` of a model holds a name that is unknown: " + name);
    const double least =
        known->kind == kList ? -known->most : std::max(known->least, double(known->kind == kCount));
    const bool good = std::all_of(values.begin(), values.end(), [&](double value) {
      return value >= least && value <= known->most &&
             (known->kind != kCount || value == std::floor(value));
    });
    if (!good || values.empty() || values.size() > 16 || is_list != (known->kind == kList))
      throw std::runtime_error("The `recipe." + name + "` of a model is out of range.");
    *known->value = values[0];
    if (is_list) turns_deg = values;
  }
};

// The recipe in a description: an object of numbers and of lists of them. What it does not say is
// as above. Throws std::runtime_error as `set`, or for what is no such object.
inline Recipe recipeIn(const std::string& description) {
  Recipe recipe;
  const std::string key = "\"recipe\"";
  const size_t at = description.find(key);
  if (at == std::string::npos) return recipe;
  std::istringstream text(description.substr(at + key.size()));
  const auto follows = [&text](char mark) {
    const bool is_there = (text >> std::ws).peek() == mark;
    if (is_there) text.get();
    return is_there;
  };
  const auto need = [&follows](char mark) {
    if (!follows(mark))
      throw std::runtime_error("The `recipe` of a model must hold names and numbers.");
  };
  need(':');
  need('{');
  if (follows('}')) return recipe;
  do {
    std::string name;
    text >> std::quoted(name);
    need(':');
    const bool is_list = follows('[');
    std::vector<double> values;
    do {
      double value;
      if (text >> value) values.push_back(value);
    } while (is_list && follows(','));
    if (!text || (is_list && !follows(']'))) values.clear();
    recipe.set(name, is_list, values);
  } while (follows(','));
  need('}');
  return recipe;
}
