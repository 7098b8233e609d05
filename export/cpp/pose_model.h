// A .tflite file that kerashand exported, run by LiteRT: a crop around a right hand to its joints.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "hand.h"
#include "litert.h"
#include "model_file.h"

// Not for several threads at once: make one for each.
class PoseModel {
 public:
  // Throws std::runtime_error if the file is missing, damaged or another model.
  explicit PoseModel(const std::string& path)
      : path_(path), file_(readModelFile(path)), recipe_(recipeIn(file_.description)) {
    // Silent, as it would otherwise report every accelerator that this machine lacks.
    const LiteRtEnvOption options[] = {
        {kLiteRtEnvOptionTagMinLoggerSeverity, {kLiteRtAnyTypeInt, kLiteRtLogSeveritySilent}},
        {kLiteRtEnvOptionTagAutoRegisterAccelerators,
         {kLiteRtAnyTypeInt, kLiteRtHwAcceleratorCpu}}};
    make(environment_, "has no environment",
         [&](auto* made) { return LiteRtCreateEnvironment(2, options, made); });
    // From memory: LiteRT verifies the structure of such a model, and not that of a file.
    make(model_, "is not a TFLite model", [&](auto* made) {
      return LiteRtCreateModelFromBuffer(environment_.get(), file_.network.data(),
                                         file_.network.size(), made);
    });
    findSignature();
    readInput();
    readOutputs();
    Owned<LiteRtOptions, LiteRtDestroyOptions> cpu;
    make(cpu, "has no options", LiteRtCreateOptions);
    check(LiteRtSetOptionsHardwareAccelerators(cpu.get(), kLiteRtHwAcceleratorCpu), "has no CPU");
    make(compiled_, "cannot be run", [&](auto* made) {
      return LiteRtCreateCompiledModel(environment_.get(), model_.get(), cpu.get(), made);
    });
    makeBuffers();
  }

  int size_px() const { return size_px_; }  // side of the crops that it takes
  const Recipe& recipe() const { return recipe_; }

  // Whether it says the handedness, and whether there is a hand.
  bool has_heads() const {
    return find("p_right") != outputs_.end() && find("p_hand") != outputs_.end();
  }

  // What it says of a crop. Throws std::runtime_error if LiteRT fails or gives no numbers.
  CropOutput operator()(const Picture& picture, const Affine& crop_from_image) {
    const std::vector<uint8_t> crop = cut(picture, crop_from_image, size_px_);
    void* memory = nullptr;
    check(LiteRtLockTensorBuffer(input_.get(), &memory, kLiteRtLockWrite), "takes no picture");
    std::memcpy(memory, crop.data(), crop.size());
    check(LiteRtUnlockTensorBuffer(input_.get()), "takes no picture");
    LiteRtTensorBuffer input = input_.get();
    std::vector<LiteRtTensorBuffer> outputs;
    for (const Output& output : outputs_) outputs.push_back(output.buffer.get());
    check(LiteRtRunCompiledModel(compiled_.get(), signature_index_, 1, &input, outputs.size(),
                                 outputs.data()),
          "cannot be run");
    const std::vector<float> uv = numbers("uv_px");
    const std::vector<float> z = numbers("z_relative");
    const std::vector<float> confidence = numbers("confidence");
    CropOutput seen;
    for (int i = 0; i < kJoints; ++i) {
      seen.uv_px[i] = {uv[2 * i], uv[2 * i + 1]};
      seen.z_relative[i] = z[i];
      seen.confidence[i] = confidence[i];
    }
    if (has_heads()) {
      seen.p_right = numbers("p_right")[0];
      seen.p_hand = numbers("p_hand")[0];
    }
    return seen;
  }

 private:
  // By name, as a file may have further signatures.
  static constexpr const char* kSignature = "serving_default";

  template <auto destroy>
  struct Destroy {
    template <class T>
    void operator()(T* object) const {
      destroy(object);
    }
  };
  template <class Handle, auto destroy>
  using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, Destroy<destroy>>;
  using Buffer = Owned<LiteRtTensorBuffer, LiteRtDestroyTensorBuffer>;

  struct Output {
    std::string name;
    LiteRtRankedTensorType type;
    size_t size;  // in numbers
    Buffer buffer;
  };

  void check(LiteRtStatus status, const std::string& what) const {
    if (status != kLiteRtStatusOk)
      throw std::runtime_error(path_ + " " + what + " (LiteRT: " + std::to_string(status) + ").");
  }

  [[noreturn]] void refuse(const std::string& why) const {
    throw std::runtime_error(path_ + " is not a pose model of kerashand: " + why);
  }

  template <class Owner, class Create>
  void make(Owner& owner, const std::string& what, Create create) const {
    typename Owner::pointer made = nullptr;
    check(create(&made), what);
    owner.reset(made);
  }

  void findSignature() {
    size_t count = 0;
    check(LiteRtGetNumModelSignatures(model_.get(), &count), "has no signatures");
    for (signature_index_ = 0; signature_index_ < count; ++signature_index_) {
      const char* key = nullptr;
      check(LiteRtGetModelSignature(model_.get(), signature_index_, &signature_),
            "has no signature");
      check(LiteRtGetSignatureKey(signature_, &key), "has no signature");
      if (std::string(key) == kSignature) return;
    }
    refuse(std::string("it has no signature ") + kSignature + ".");
  }

  void readInput() {
    size_t count = 0;
    const char* name = nullptr;
    LiteRtTensor tensor = nullptr;
    check(LiteRtGetNumSignatureInputs(signature_, &count), "has no inputs");
    if (count != 1) refuse("it has " + std::to_string(count) + " inputs.");
    check(LiteRtGetSignatureInputName(signature_, 0, &name), "has no input");
    check(LiteRtGetSignatureInputTensorByIndex(signature_, 0, &tensor), "has no input");
    check(LiteRtGetRankedTensorType(tensor, &input_type_), "has no input of a fixed shape");
    const int32_t* shape = input_type_.dimensions;
    if (std::string(name) != "image" || input_type_.element_type != kLiteRtElementTypeUInt8 ||
        input_type_.rank != 4 || shape[0] != 1 || shape[1] < 1 || shape[1] != shape[2] ||
        shape[3] != 3)
      refuse("its input is not image [1, S, S, 3] of uint8.");
    size_px_ = shape[1];
  }

  void readOutputs() {
    size_t count = 0;
    check(LiteRtGetNumSignatureOutputs(signature_, &count), "has no outputs");
    for (size_t i = 0; i < count; ++i) {
      const char* name = nullptr;
      LiteRtTensor tensor = nullptr;
      LiteRtRankedTensorType type{};
      check(LiteRtGetSignatureOutputName(signature_, i, &name), "has no output");
      check(LiteRtGetSignatureOutputTensorByIndex(signature_, i, &tensor), "has no output");
      check(LiteRtGetRankedTensorType(tensor, &type), "has no outputs of fixed shapes");
      if (type.element_type != kLiteRtElementTypeFloat32)
        refuse(std::string("its output ") + name + " is not of float32.");
      // [21, 2], or [1, 21, 2] in files of versions before 0.1: the same numbers.
      size_t size = 1;
      for (uint32_t axis = 0; axis < type.rank; ++axis) size *= size_t(type.dimensions[axis]);
      outputs_.push_back({name, type, size, nullptr});
    }
    for (const auto& [name, size] : {std::pair{"uv_px", 2 * kJoints}, {"z_relative", kJoints},
                                     {"confidence", kJoints}, {"p_right", 1}, {"p_hand", 1}}) {
      const auto found = find(name);
      if (found == outputs_.end() && size > 1)  // the others are of models with heads
        refuse(std::string("it has no output ") + name + ".");
      if (found != outputs_.end() && found->size != size_t(size))
        refuse(std::string(name) + " holds " + std::to_string(found->size) + " numbers.");
    }
  }

  void makeBuffers() {
    LiteRtTensorBufferRequirements needs = nullptr;
    check(LiteRtGetCompiledModelInputBufferRequirements(compiled_.get(), signature_index_, 0,
                                                        &needs),
          "has no input");
    makeBuffer(input_, input_type_, needs);
    for (size_t i = 0; i < outputs_.size(); ++i) {
      check(LiteRtGetCompiledModelOutputBufferRequirements(compiled_.get(), signature_index_, i,
                                                           &needs),
            "has no output");
      makeBuffer(outputs_[i].buffer, outputs_[i].type, needs);
    }
  }

  void makeBuffer(Buffer& buffer, const LiteRtRankedTensorType& type,
                  LiteRtTensorBufferRequirements needs) const {
    make(buffer, "has no room for its numbers", [&](auto* made) {
      return LiteRtCreateManagedTensorBufferFromRequirements(environment_.get(), &type, needs,
                                                             made);
    });
  }

  std::vector<Output>::const_iterator find(const std::string& name) const {
    return std::find_if(outputs_.begin(), outputs_.end(),
                        [&](const Output& output) { return output.name == name; });
  }

  std::vector<float> numbers(const std::string& name) const {
    const auto output = find(name);
    void* memory = nullptr;
    check(LiteRtLockTensorBuffer(output->buffer.get(), &memory, kLiteRtLockRead),
          "gives no " + name);
    const float* first = static_cast<const float*>(memory);
    std::vector<float> values(first, first + output->size);
    check(LiteRtUnlockTensorBuffer(output->buffer.get()), "gives no " + name);
    for (float value : values)
      if (!std::isfinite(value))
        throw std::runtime_error(path_ + " gives " + name +
                                 " that are not numbers: it is damaged.");
    return values;
  }

  // Destroyed from the last to the first: buffers before the model that they belong to.
  std::string path_;
  ModelFile file_;  // its network is the memory of the model
  Recipe recipe_;
  int size_px_ = 0;
  size_t signature_index_ = 0;
  Owned<LiteRtEnvironment, LiteRtDestroyEnvironment> environment_;
  Owned<LiteRtModel, LiteRtDestroyModel> model_;
  LiteRtSignature signature_ = nullptr;  // of the model
  LiteRtRankedTensorType input_type_{};
  Owned<LiteRtCompiledModel, LiteRtDestroyCompiledModel> compiled_;
  Buffer input_;
  std::vector<Output> outputs_;
};
