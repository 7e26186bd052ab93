// Requests that run at once, from threads of the test.
#include <algorithm>
#include <atomic>
#include <thread>

#include "conformance.hpp"

namespace snapvault::conformance {
namespace {

constexpr int kThreads = 4;

// Runs `body(thread)` on several threads that begin together.
template <class Body>
void at_once(Body body) {
  std::atomic<int> waiting{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      ++waiting;
      while (waiting < kThreads) std::this_thread::yield();
      body(t);
    });
  }
  for (auto& thread : threads) thread.join();
}

std::string text_by(int thread, int round) {
  return "thread " + std::to_string(thread) + std::string(static_cast<std::size_t>(round), '.');
}

Failure one_winner(Store& store) {
  for (int round = 0; round < 40; ++round) {
    const auto name = "race/" + std::to_string(round);
    std::atomic<int> winners{0};
    std::atomic<int> winner{-1};
    std::atomic<int> odd{0};
    at_once([&](int thread) {
      const auto done = store.put(name, text_by(thread, round));
      if (done) {
        ++winners;
        winner = thread;
      } else if (done.error().code() != Errc::already_exists) {
        ++odd;
      }
    });
    SV_EXPECT(winners == 1);
    SV_EXPECT(odd == 0);
    SV_EXPECT(text_of(store.get(name).value_or(Bytes())) == text_by(winner, round));
  }
  return {};
}

Failure one_winner_of_large(Store& store) {
  for (int round = 0; round < 3; ++round) {
    const auto name = "race/" + std::to_string(round);
    std::vector<Bytes> bodies;
    for (int t = 0; t < kThreads; ++t) {
      bodies.push_back(
          noise((1u << 20) + static_cast<std::size_t>(t), static_cast<std::uint64_t>(t)));
    }
    std::atomic<int> winners{0};
    std::atomic<int> winner{0};
    at_once([&](int thread) {
      PutRequest request{.key = name, .body = PutBody(bodies[thread]), .durable = false};
      if (store.put(std::move(request))) {
        ++winners;
        winner = thread;
      }
    });
    SV_EXPECT(winners == 1);
    SV_EXPECT(store.get(name).value_or(Bytes()) == bodies[winner]);
  }
  return {};
}

Failure winner_stays(Store& store) {
  const auto bodies = std::vector<std::string>{"zero", "one!!", "two...", "three,,"};
  std::atomic<int> changed{0};
  for (int round = 0; round < 20; ++round) {
    const auto name = std::to_string(round);
    at_once([&](int thread) {
      (void)store.put(name, bodies[thread]).has_value();
      const auto first = store.get(name);
      const auto second = store.get(name);
      if (!first || !second || *first != *second) ++changed;
    });
  }
  SV_EXPECT(changed == 0);
  return {};
}

Failure new_folders(Store& store) {
  std::atomic<int> failures{0};
  at_once([&](int thread) {
    for (int i = 0; i < 20; ++i) {
      const auto name = "f" + std::to_string(i) + "/g/h/" + std::to_string(thread);
      if (!store.put(name, name)) ++failures;
    }
  });
  SV_EXPECT(failures == 0);
  const auto page = store.list();
  SV_EXPECT(page.has_value());
  SV_EXPECT(page->objects.size() == 20 * kThreads);
  return {};
}

Failure whole_or_not(Store& store) {
  const auto bytes = noise(3u << 20, 3);
  std::atomic<bool> stop{false};
  std::atomic<int> torn{0};
  std::atomic<int> round{0};
  at_once([&](int thread) {
    if (thread == 0) {
      for (int i = 0; i < 12; ++i) {
        round = i;
        PutRequest request{.key = std::to_string(i), .body = PutBody(bytes), .durable = false};
        if (!store.put(std::move(request))) ++torn;
      }
      stop = true;
    }
    while (!stop) {
      const auto name = std::to_string(round);
      const auto info = store.stat(name);
      if (info && info->size != bytes.size()) ++torn;
      const auto got = store.get(name);
      if (got && *got != bytes) ++torn;
      if (!got && got.error().code() != Errc::not_found) ++torn;
      const auto page = store.list();
      if (!page) ++torn;
      for (std::size_t i = 0; page && i < page->objects.size(); ++i) {
        if (page->objects[i].size != bytes.size()) ++torn;
      }
    }
  });
  SV_EXPECT(torn == 0);
  return {};
}

Failure list_while_putting(Store& store) {
  for (int i = 0; i < 50; ++i)
    SV_EXPECT(store.put("old/" + std::to_string(100 + i), "x").has_value());
  std::atomic<int> wrong{0};
  at_once([&](int thread) {
    for (int i = 0; i < 25; ++i) {
      if (thread % 2 == 0) {
        if (!store.put("new/" + std::to_string(thread * 100 + i), "x")) ++wrong;
        continue;
      }
      const auto page = store.list();
      if (!page) {
        ++wrong;
        continue;
      }
      const auto names = store.names(*page);
      const auto old = std::count_if(names.begin(), names.end(),
                                     [](const auto& name) { return name.starts_with("old/"); });
      if (old != 50 || !std::is_sorted(names.begin(), names.end())) ++wrong;
    }
  });
  SV_EXPECT(wrong == 0);
  return {};
}

Failure remove_while_putting(Store& store) {
  std::atomic<int> failures{0};
  at_once([&](int thread) {
    for (int i = 0; i < 40; ++i) {
      const auto name = "shared/folder/" + std::to_string(thread) + "-" + std::to_string(i);
      if (!store.put(name, name)) ++failures;
      if (text_of(store.get(name).value_or(Bytes())) != name) ++failures;
      if (!store.remove({name})) ++failures;
    }
  });
  SV_EXPECT(failures == 0);
  const auto page = store.list();
  SV_EXPECT(page.has_value() && page->objects.empty());
  return {};
}

Failure readers(Store& store) {
  const auto bytes = noise(200'000, 4);
  SV_EXPECT(store.put({.key = "object", .body = PutBody(bytes)}).has_value());
  std::atomic<int> wrong{0};
  at_once([&](int thread) {
    for (std::size_t i = 0; i < 50; ++i) {
      const auto from = (i * 4001 + static_cast<std::size_t>(thread) * 17) % 190'000;
      const auto got = store.get("object", from, 1000);
      if (!got || !std::equal(got->begin(), got->end(), bytes.begin() + from)) ++wrong;
    }
  });
  SV_EXPECT(wrong == 0);
  return {};
}

Failure many_in_flight(Store& store) {
  std::vector<Pending<void>> puts;
  for (int i = 0; i < 60; ++i) {
    PutRequest request{.key = store.key(std::to_string(i)), .body = body_of("x"), .durable = false};
    puts.push_back(store.start(std::move(request)));
  }
  for (const auto& put : puts) SV_EXPECT(store.wait(put).has_value());
  std::vector<Pending<ObjectInfo>> stats;
  for (int i = 0; i < 60; ++i)
    stats.push_back(store.start(StatRequest{.key = store.key(std::to_string(i))}));
  for (const auto& stat : stats) SV_EXPECT(store.wait(stat).has_value());
  return {};
}

Failure completed_once(Store& store) {
  SV_EXPECT(store.put("object", "x").has_value());
  SV_EXPECT(store.get("object").has_value());
  SV_EXPECT(store.stat("object").has_value());
  SV_EXPECT(store.list().has_value());
  SV_EXPECT(store.sync().has_value());
  SV_EXPECT(store.remove({"object"}).has_value());
  SV_EXPECT(!store.get("object").has_value());
  // Long enough for a second completion that a thread would bring.
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  return store.completions();
}

Failure syncs_at_once(Store& store) {
  std::atomic<int> failures{0};
  at_once([&](int thread) {
    for (int i = 0; i < 10; ++i) {
      const auto name = std::to_string(thread) + "/" + std::to_string(i);
      if (!store.put(name, "x") || !store.sync()) ++failures;
    }
  });
  SV_EXPECT(failures == 0);
  return {};
}

constexpr Case kCases[] = {
    {"racing creates have one winner", Needs::exclusive_create, one_winner},
    {"racing creates of large objects have one winner", Needs::exclusive_create,
     one_winner_of_large},
    {"an object that was seen does not change", Needs::exclusive_create, winner_stays},
    {"creates in new folders do not disturb each other", Needs::nothing, new_folders},
    {"nobody sees a part of an object", Needs::nothing, whole_or_not},
    {"a list is whole while others put", Needs::consistent_list, list_while_putting},
    {"removes do not disturb puts beside them", Needs::nothing, remove_while_putting},
    {"reads at once read right", Needs::nothing, readers},
    {"many requests in flight all complete", Needs::nothing, many_in_flight},
    {"every request completes exactly once", Needs::nothing, completed_once},
    {"syncs at once all succeed", Needs::nothing, syncs_at_once},
};

}  // namespace

std::span<const Case> race_cases() { return kCases; }

}  // namespace snapvault::conformance
