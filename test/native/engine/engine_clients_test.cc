#include "engine/engine.h"
#include "engine/shared_engines.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "engine_fixture.h"

namespace bertcnn::engine::test {
namespace {

// ---- clients

TEST_F(EngineTest, ClientsMayUseTheSameNumbers) {
  const ClientId other = *engine().attach();
  const auto gate = hold();
  auto first = predict(1, {"a"}), second = predict({1, other}, {"bb"});
  EXPECT_TRUE(engine().cancel({1, other}));
  gate->open();
  EXPECT_EQ(first.get().value.logits, (std::vector<float>{1, 0}));
  EXPECT_EQ(second.get().code, "ERR_CANCELLED");
}

TEST_F(EngineTest, AClientThatGoesTakesItsOwnCallsAlong) {
  const ClientId other = *engine().attach();
  const auto gate = hold();
  auto ours = predict(1, {"a"}), theirs = predict({1, other}, {"b"});
  auto step = train({2, other}, {"t"});
  auto task = run([](Compute&) {}, other);
  EXPECT_TRUE(ready(detach(other)));
  ASSERT_TRUE(ready(theirs) && ready(step) && ready(task));
  EXPECT_EQ(theirs.get().code, "ERR_DISPOSED");
  EXPECT_EQ(step.get().code, "ERR_DISPOSED");
  EXPECT_EQ(task.get().code, "ERR_DISPOSED");
  EXPECT_EQ(predict({3, other}, {"c"}).get().code, "ERR_DISPOSED");
  EXPECT_EQ(run([](Compute&) {}, other).get().code, "ERR_DISPOSED");
  EXPECT_EQ(engine().stats().clients, 1);
  EXPECT_TRUE(ready(detach(other)));  // once more
  gate->open();
  EXPECT_EQ(ours.get().code, "");
  EXPECT_EQ(events(), Events{"a"});
}

TEST_F(EngineTest, ABatchGoesOnForTheClientsThatStay) {
  const ClientId other = *engine().attach();
  const auto start = hold();
  const auto gate = hold_first_batch();
  auto ours = predict(1, {"a"}), theirs = predict({1, other}, {"b"});
  start->open();
  gate->wait_for_arrival();
  detach(other);
  EXPECT_EQ(theirs.get().code, "ERR_DISPOSED");
  gate->open();
  EXPECT_EQ(ours.get().value.logits, (std::vector<float>{1, 0}));
}

TEST_F(EngineTest, AClientIsGoneWhenItsRunningStepIs) {
  const ClientId other = *engine().attach();
  Gate gate;
  script->on_train = [&gate](const TrainRequest&, const CancelCheck& cancelled) {
    gate.pass();
    if (cancelled()) fail("ERR_CANCELLED", "Stopped between layers");
  };
  auto step = train({1, other}, {"t"});
  gate.wait_for_arrival();
  const auto gone = detach(other);
  EXPECT_FALSE(ready(gone));
  gate.open();
  gone.wait();
  ASSERT_TRUE(ready(step));
  EXPECT_EQ(step.get().code, "ERR_DISPOSED");
  EXPECT_EQ(predict(1, {"a"}).get().value.logits, (std::vector<float>{1, 0}));
}

TEST_F(EngineTest, TheEngineEndsWithItsLastClient) {
  script->on_destroy = [this] { script->record("destroyed"); };
  const ClientId other = *engine().attach();
  detach(0).wait();
  EXPECT_EQ(predict({1, other}, {"a"}).get().code, "");
  detach(other).wait();
  EXPECT_EQ(events(), (Events{"a", "destroyed"}));
  EXPECT_FALSE(engine().attach());
}

// ---- sharing

class SharedEngineTest : public testing::Test {
 protected:
  static std::shared_ptr<Engine> make_engine() {
    return std::make_shared<Engine>(
        EngineOptions(),
        [](const CancelCheck&) {
          return std::make_unique<FakeCompute>(std::make_shared<Script>());
        },
        [](const Failure&) {});
  }
  static std::string error_of(const std::string& token) {
    try {
      open_shared(token);
    } catch (const Error& error) {
      return error.code();
    }
    return "";
  }
};

TEST_F(SharedEngineTest, ATokenGivesItsEngineToAnyNumberOfClients) {
  const auto engine = make_engine();
  const std::string token = share(engine, nullptr);
  const SharedEngine first = open_shared(token), second = open_shared(token);
  EXPECT_EQ(first.engine, engine);
  EXPECT_EQ(second.engine, engine);
  EXPECT_NE(first.client, second.client);
  EXPECT_EQ(engine->stats().clients, 3);
}

TEST_F(SharedEngineTest, AnEngineHasOneTokenAndNoOtherHasIt) {
  const auto engine = make_engine(), other = make_engine();
  const std::string token = share(engine, nullptr);
  EXPECT_EQ(share(engine, nullptr), token);
  EXPECT_NE(share(other, nullptr), token);
  EXPECT_EQ(open_shared(token).engine, engine);
}

TEST_F(SharedEngineTest, ATokenKeepsNothingAlive) {
  auto engine = make_engine();
  const std::weak_ptr<Engine> watched = engine;
  const std::string token = share(engine, nullptr);
  engine.reset();
  EXPECT_TRUE(watched.expired());
  EXPECT_EQ(error_of(token), "ERR_INVALID_ARGUMENT");
}

TEST_F(SharedEngineTest, ATokenOutlivesTheClientThatShared) {
  const auto engine = make_engine();
  const std::string token = share(engine, nullptr);
  const SharedEngine second = open_shared(token);
  engine->detach(0);
  EXPECT_EQ(error_of(token), "");  // a third, which takes the second's place
  engine->detach(second.client);
  engine->detach(second.client + 1);
  EXPECT_EQ(error_of(token), "ERR_INVALID_ARGUMENT");
}

TEST_F(SharedEngineTest, AnUnknownTokenIsRefused) {
  EXPECT_EQ(error_of("bertcnn-0"), "ERR_INVALID_ARGUMENT");
}

}  // namespace
}  // namespace bertcnn::engine::test
