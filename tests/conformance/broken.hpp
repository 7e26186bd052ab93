// Providers with one defect each, wrapped around a good one. The conformance cases must find all.
#pragma once

#include <memory>
#include <span>

#include <snapvault/provider.hpp>

namespace snapvault::conformance {

struct Broken {
  const char* name;
  std::shared_ptr<Provider> (*wrap)(std::shared_ptr<Provider> good);
};

std::span<const Broken> broken_writers();
std::span<const Broken> broken_readers();

// Passes everything on; the base of the broken ones.
class Wrapper : public Provider {
 public:
  explicit Wrapper(std::shared_ptr<Provider> good) : good_(std::move(good)) {}
  Capabilities capabilities() const override { return good_->capabilities(); }
  void get(GetRequest request, Completion<std::vector<std::byte>> done) override {
    good_->get(std::move(request), std::move(done));
  }
  void put(PutRequest request, Completion<void> done) override {
    good_->put(std::move(request), std::move(done));
  }
  void list(ListRequest request, Completion<ListPage> done) override {
    good_->list(std::move(request), std::move(done));
  }
  void remove(RemoveRequest request, Completion<void> done) override {
    good_->remove(std::move(request), std::move(done));
  }
  void stat(StatRequest request, Completion<ObjectInfo> done) override {
    good_->stat(std::move(request), std::move(done));
  }
  void sync(RequestLimits limits, Completion<void> done) override {
    good_->sync(std::move(limits), std::move(done));
  }

 protected:
  const std::shared_ptr<Provider> good_;
};

template <class Defect>
std::shared_ptr<Provider> wrap_in(std::shared_ptr<Provider> good) {
  return std::make_shared<Defect>(std::move(good));
}

}  // namespace snapvault::conformance
