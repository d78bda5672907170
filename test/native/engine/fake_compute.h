// A computation whose arithmetic is obvious, and gates that hold it where a test wants it.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <future>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "engine/clock.h"
#include "engine/compute.h"
#include "error.h"

namespace bertcnn::engine::test {

/// A place where the engine's thread waits: the test sees it arrive and lets it go on.
class Gate {
 public:
  void pass() {
    arrived_.set_value();
    opened_.get_future().wait();
  }
  void wait_for_arrival() { arrived_.get_future().wait(); }
  void open() { opened_.set_value(); }

 private:
  std::promise<void> arrived_;
  std::promise<void> opened_;
};

/// A clock that stands still until a test moves it.
class FakeClock final : public Clock {
 public:
  TimePoint now() const override {
    const std::lock_guard lock(mutex_);
    return now_;
  }

  void wait_until(std::condition_variable& wake, std::unique_lock<std::mutex>& lock,
                  TimePoint time) override {
    std::list<Waiting>::iterator own;
    {
      const std::lock_guard list(mutex_);
      own = waiting_.insert(waiting_.end(), {&wake, lock.mutex(), time});
    }
    somebody_waits_.notify_all();
    wake.wait(lock);
    const std::lock_guard list(mutex_);
    waiting_.erase(own);
  }

  /// Returns once a thread waits until `time` from the start.
  void wait_for_waiting(Duration time) {
    std::unique_lock lock(mutex_);
    somebody_waits_.wait(lock, [&] {
      return std::ranges::any_of(
          waiting_, [&](const Waiting& one) { return one.time == TimePoint() + time; });
    });
  }

  void advance(Duration by) {
    std::list<Waiting> waiting;
    {
      const std::lock_guard lock(mutex_);
      now_ += by;
      waiting = waiting_;
    }
    for (const Waiting& one : waiting) {
      const std::lock_guard lock(*one.mutex);  // it waits, or has not looked at the time yet
      one.wake->notify_all();
    }
  }

 private:
  struct Waiting {
    std::condition_variable* wake;
    std::mutex* mutex;
    TimePoint time;
  };
  mutable std::mutex mutex_;
  std::condition_variable somebody_waits_;
  TimePoint now_;
  std::list<Waiting> waiting_;
};

/// What a FakeCompute did and how it shall behave; outlives it.
class Script {
 public:
  // Set before the engine starts.
  bool call_is_batch = false;
  bool probabilities = true;
  int64_t most_workers = 1000;
  int64_t usual_batch_tokens = 1024;
  int64_t warm_runs = 1;
  DeviceMemory memory;
  std::function<void(int64_t threads)> on_use_threads;
  std::function<void(const std::vector<std::string>& texts, const CancelCheck&)> on_predict;
  std::function<void()> on_prepare;
  std::function<void(const TrainRequest&, const CancelCheck&)> on_train;
  std::function<void()> on_destroy;

  void record(std::string event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
  }
  std::vector<std::string> events() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> events_;
};

/// A token a character; the logits are the text's length and the number of steps taken so far. A
/// text that starts with '!' can't be prepared; one that starts with '~' is truncated.
class FakeCompute final : public Compute {
 public:
  explicit FakeCompute(std::shared_ptr<Script> script) : script_(std::move(script)) {}
  ~FakeCompute() override {
    if (script_->on_destroy) script_->on_destroy();
  }

  int64_t labels() const override { return 2; }
  bool has_probabilities() const override { return script_->probabilities; }
  bool call_is_batch() const override { return script_->call_is_batch; }
  int64_t most_workers() const override { return script_->most_workers; }
  int64_t usual_batch_tokens() const override { return script_->usual_batch_tokens; }
  int64_t warm_runs() const override { return script_->warm_runs; }
  DeviceMemory memory() const override { return script_->memory; }
  void use_threads(int64_t threads) override {
    if (script_->on_use_threads) script_->on_use_threads(threads);
  }

  TokenRow prepare(const Input& input, int64_t row) override {
    const std::string& text = std::get<0>(input).at(static_cast<size_t>(row));
    if (script_->on_prepare) script_->on_prepare();
    if (text.starts_with('!')) fail("ERR_INVALID_INPUT", "Row ", row, " can't be prepared");
    TokenRow tokens;
    tokens.input_ids.assign(text.begin(), text.end());
    tokens.truncated = text.starts_with('~');
    return tokens;
  }

  TokenRow example(int64_t length) const override {
    TokenRow tokens;
    tokens.input_ids.assign(static_cast<size_t>(length), 'x');
    return tokens;
  }

  void predict(std::span<const TokenRow* const> rows, std::span<const RowOutput> outputs,
               const CancelCheck& cancelled) override {
    std::vector<std::string> texts;
    for (const TokenRow* row : rows) {
      texts.emplace_back(row->input_ids.begin(), row->input_ids.end());
    }
    note(texts, cancelled);
    for (size_t i = 0; i < rows.size(); ++i) {
      write(texts[i], outputs[i].logits, outputs[i].probabilities);
    }
  }

  Prediction predict_call(const Input& input, const CancelCheck& cancelled) override {
    const std::vector<std::string> texts = texts_of(input);
    note(texts, cancelled);
    Prediction prediction;
    prediction.rows = row_count(input);
    prediction.labels = 2;
    prediction.logits.resize(2 * texts.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      write(texts[i], &prediction.logits[2 * i], nullptr);
      prediction.tokens += static_cast<int64_t>(texts[i].size());
    }
    prediction.truncated.resize(texts.size());
    return prediction;
  }

  StepResult train_step(const TrainRequest& request, const CancelCheck& cancelled) override {
    script_->record("step");
    if (script_->on_train) script_->on_train(request, cancelled);
    StepResult result;
    result.step = ++steps_;
    result.rows = row_count(request.input);
    return result;
  }

 private:
  void note(const std::vector<std::string>& texts, const CancelCheck& cancelled) {
    std::string event;
    for (const std::string& text : texts) {
      if (!event.empty()) event += ' ';
      event += text;
    }
    script_->record(event);
    if (script_->on_predict) script_->on_predict(texts, cancelled);
  }
  static std::vector<std::string> texts_of(const Input& input) {
    if (const auto* texts = std::get_if<std::vector<std::string>>(&input)) return *texts;
    const auto& batch = std::get<TokenBatch>(input);
    return {static_cast<size_t>(batch.rows), std::string(static_cast<size_t>(batch.length), 'x')};
  }
  void write(const std::string& text, float* logits, float* probabilities) const {
    logits[0] = static_cast<float>(text.size());
    logits[1] = static_cast<float>(steps_);
    if (probabilities) std::fill_n(probabilities, 2, 0.5f);
  }

  std::shared_ptr<Script> script_;
  int64_t steps_ = 0;
};

}  // namespace bertcnn::engine::test
