// What an exported .tflite file says of itself, and whether it is what the export wrote, as in
// kerashand/runtime/model_file.py and operators.py. For machines whose lowest byte comes first.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using Bytes = std::vector<uint8_t>;

// Operators that networks of kerashand are made of; kerashand/runtime/operators.py names them.
constexpr int kOperators[] = {0,  1,  2,  3,  4,  6,  9,  14, 17, 18, 19, 22, 23, 40, 41,  42,
                              45, 47, 53, 55, 57, 59, 69, 74, 75, 76, 82, 83, 98, 99, 114};
constexpr int kCustomOperator = 32;

// A number at a place. Throws std::out_of_range beyond the end.
template <class T>
T numberAt(const Bytes& bytes, uint64_t place) {
  if (place > bytes.size() || bytes.size() - place < sizeof(T))
    throw std::out_of_range("a place beyond the end");
  T number;
  std::memcpy(&number, bytes.data() + place, sizeof(T));
  return number;
}

// SHA-256 (FIPS 180-4) in hexadecimal digits.
inline std::string sha256(const Bytes& bytes) {
  static constexpr uint32_t kRounds[] = {
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
      0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
      0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
      0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
      0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
      0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
      0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
      0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
      0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
      0xc67178f2};
  const auto turned = [](uint32_t value, int by) { return value >> by | value << (32 - by); };
  std::array<uint32_t, 8> state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  // A 1, zeros, and the length in bits fill the last block of 64 bytes.
  Bytes padded = bytes;
  padded.push_back(0x80);
  while (padded.size() % 64 != 56) padded.push_back(0);
  for (int shift = 56; shift >= 0; shift -= 8)
    padded.push_back(uint8_t(uint64_t(bytes.size()) * 8 >> shift));
  for (size_t block = 0; block < padded.size(); block += 64) {
    uint32_t words[64];
    for (int i = 0; i < 16; ++i) {
      const uint8_t* at = &padded[block + 4 * i];
      words[i] = uint32_t(at[0]) << 24 | uint32_t(at[1]) << 16 | uint32_t(at[2]) << 8 | at[3];
    }
    for (int i = 16; i < 64; ++i) {
      const uint32_t a = words[i - 15], b = words[i - 2];
      words[i] = words[i - 16] + (turned(a, 7) ^ turned(a, 18) ^ a >> 3) + words[i - 7] +
                 (turned(b, 17) ^ turned(b, 19) ^ b >> 10);
    }
    auto [a, b, c, d, e, f, g, h] = state;
    for (int i = 0; i < 64; ++i) {
      const uint32_t first = h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) +
                             ((e & f) ^ (~e & g)) + kRounds[i] + words[i];
      const uint32_t second =
          (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + first, d = c, c = b, b = a, a = first + second;
    }
    const uint32_t added[] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; ++i) state[i] += added[i];
  }
  std::string digits;
  for (uint32_t word : state)
    for (int shift = 28; shift >= 0; shift -= 4) digits += "0123456789abcdef"[word >> shift & 15];
  return digits;
}

// The description: kerashand.json in the zip archive at the end, stored as it is. Throws
// std::out_of_range if there is none.
inline std::string descriptionIn(const Bytes& bytes) {
  constexpr uint64_t kEnd = 22;  // bytes of the archive's last record, without a comment
  constexpr uint32_t kEndMark = 0x06054b50, kEntryMark = 0x02014b50, kLocalMark = 0x04034b50;
  const uint64_t end = bytes.size() - kEnd;  // a huge number for a file that is shorter
  if (numberAt<uint32_t>(bytes, end) != kEndMark) throw std::out_of_range("no archive");
  uint64_t entry = numberAt<uint32_t>(bytes, end + 16);
  const auto text = [&](uint64_t from, uint64_t count) {
    if (from > bytes.size() || bytes.size() - from < count) throw std::out_of_range("cut short");
    return std::string(bytes.begin() + from, bytes.begin() + from + count);
  };
  while (numberAt<uint32_t>(bytes, entry) == kEntryMark) {
    const uint64_t name = numberAt<uint16_t>(bytes, entry + 28);
    const uint64_t packing = numberAt<uint16_t>(bytes, entry + 10);
    if (text(entry + 46, name) == "kerashand.json" && packing == 0) {
      const uint64_t local = numberAt<uint32_t>(bytes, entry + 42);
      if (numberAt<uint32_t>(bytes, local) != kLocalMark) break;
      const uint64_t head = 30 + numberAt<uint16_t>(bytes, local + 26) +
                            numberAt<uint16_t>(bytes, local + 28);
      return text(local + head, numberAt<uint32_t>(bytes, entry + 20));
    }
    entry += 46 + name + numberAt<uint16_t>(bytes, entry + 30) +
             numberAt<uint16_t>(bytes, entry + 32);
  }
  throw std::out_of_range("no description");
}

// What follows a key of a JSON text from a place on, without quotes; empty if it is not there.
inline std::string valueOf(const std::string& text, const std::string& key, size_t from) {
  const size_t at = text.find('"' + key + '"', from);
  if (at == std::string::npos) return "";
  const size_t first = text.find_first_not_of(" \n\r\t:\"", at + key.size() + 2);
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_first_of(" \n\r\t,}\"", first) - first);
}

// Where a field of a FlatBuffers table lies; 0 where it has its default.
inline uint64_t fieldOf(const Bytes& network, uint64_t table, int index) {
  const uint64_t layout = table - numberAt<int32_t>(network, table);
  const uint64_t entry = 4 + 2 * index;
  if (entry + 2 > numberAt<uint16_t>(network, layout)) return 0;
  const uint64_t offset = numberAt<uint16_t>(network, layout + entry);
  return offset ? table + offset : 0;
}

// The number of an operator that a network declares and kOperators lacks; -1 without any. Throws
// std::out_of_range for what is no TFLite model.
inline int foreignOperator(const Bytes& network) {
  const uint64_t place = fieldOf(network, numberAt<uint32_t>(network, 0), 1);
  if (place == 0) return -1;
  const uint64_t vector = place + numberAt<uint32_t>(network, place);
  const uint64_t count = numberAt<uint32_t>(network, vector);
  for (uint64_t entry = vector + 4; entry < vector + 4 + 4 * count; entry += 4) {
    const uint64_t table = entry + numberAt<uint32_t>(network, entry);
    const uint64_t old = fieldOf(network, table, 0), now = fieldOf(network, table, 3);
    int code = std::max(old ? numberAt<int8_t>(network, old) : 0,
                        now ? numberAt<int32_t>(network, now) : 0);
    if (fieldOf(network, table, 1)) code = kCustomOperator;  // it has a name
    if (std::find(std::begin(kOperators), std::end(kOperators), code) == std::end(kOperators))
      return code;
  }
  return -1;
}

struct ModelFile {
  Bytes network;
  std::string description;  // JSON
};

// What an exported file holds. Throws std::runtime_error if it is missing or damaged, or has other
// operators than networks of kerashand.
inline ModelFile readModelFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + " does not exist or cannot be read.");
  Bytes bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  std::string description;
  try {
    description = descriptionIn(bytes);
  } catch (const std::out_of_range&) {
    throw std::runtime_error(path + " was not exported by kerashand or is cut short: it does not "
                                    "end in a description.");
  }
  const size_t checksum = description.find("\"checksum\"");
  const std::string size = valueOf(description, "bytes", checksum);
  // Digits alone, and so few that std::stoull takes them.
  const bool number = !size.empty() && size.size() < 12 &&
                      size.find_first_not_of("0123456789") == std::string::npos;
  const bool whole = number && std::stoull(size) <= bytes.size();
  if (whole) bytes.resize(size_t(std::stoull(size)));
  if (!whole || sha256(bytes) != valueOf(description, "sha256", checksum))
    throw std::runtime_error(path + " is damaged: it does not have the checksum that the export "
                                    "wrote. Copy it again, as a whole.");
  int foreign;
  try {
    foreign = foreignOperator(bytes);
  } catch (const std::out_of_range&) {
    throw std::runtime_error(path + " is not a TFLite model.");
  }
  if (foreign >= 0)
    throw std::runtime_error(path + " is not run: it holds an operator that networks of kerashand "
                                    "do not use (number " + std::to_string(foreign) + ").");
  return {std::move(bytes), std::move(description)};
}
