// What the sections of the check share: made-up models and rows, and lines of results.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/model_compute.h"

namespace bertcnn::gpu {

/// Where a section computes, and where it may write.
struct Setting {
  std::string device;  // "cuda"; "cpu" to try the check itself
  std::string folder;
};

/// A model directory with random weights, made once: `size` is "small" (6 layers of 384) or "base"
/// (BERT-base). Dropout is 0, so that training on two devices is the same.
std::string model_directory(const Setting& setting, const std::string& size);

std::unique_ptr<engine::ModelCompute> load(const Setting& setting, const std::string& size,
                                           const std::string& dtype, int64_t memory_limit = 0);

using Rows = std::vector<engine::TokenRow>;

/// Rows of random ids, with lengths drawn evenly from `shortest` to `longest`.
Rows random_rows(int64_t count, int64_t shortest, int64_t longest, uint64_t seed);
int64_t tokens_of(const Rows& rows);

/// `[rows, labels]`, as one batch.
std::vector<float> predict(engine::ModelCompute& compute, const Rows& rows);

/// A labelled batch of rows of one length.
engine::TrainRequest random_batch(int64_t rows, int64_t length, uint64_t seed);

/// The largest difference, each as a share of 1 + |expected|.
double largest_difference(std::span<const float> actual, std::span<const float> expected);

/// Prints a row of the check's table: its name and what was measured, whether it must be at most or
/// at least `bound`, and whether it is.
void report_at_most(const std::string& row, double value, double bound, const std::string& unit);
void report_at_least(const std::string& row, double value, double bound, const std::string& unit);

/// Seconds of `work`, the median of `runs`, after one that does not count.
template <typename Work>
double median_seconds(int runs, Work&& work) {
  work();
  std::vector<double> seconds;
  for (int i = 0; i < runs; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    seconds.push_back(time.count());
  }
  std::nth_element(seconds.begin(), seconds.begin() + runs / 2, seconds.end());
  return seconds[runs / 2];
}

void check_parity(const Setting& setting);
void check_memory(const Setting& setting);
void check_out_of_memory(const Setting& setting);
void check_soak(const Setting& setting);
void measure_speed(const Setting& setting);

}  // namespace bertcnn::gpu
