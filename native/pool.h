#pragma once

#include <napi.h>

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace cairn {

/** Work for one pool thread. Must not touch N-API in `run` nor, where it may be dropped there, in its destructor. */
class Task {
 public:
  virtual ~Task() = default;
  /** Called once, on a pool thread. The task may hand itself on through `self`, else it is destroyed after the call. */
  virtual void run(std::unique_ptr<Task> self) noexcept = 0;
};

/**
 * Worker threads of the process, max(4, cores + 2) of them, first in first out. Started by the first task and never
 * ended: they must not run destructors while exit(3) tears the process down. Every method from any thread.
 */
class Pool {
 public:
  /** For the work of the datastore and its mount. */
  static Pool& instance();

  /**
   * For reading files of others, which may take forever, and may wait for the mount: on a file system that hangs, or one that
   * lies on the mount. What the mount needs never waits behind it.
   */
  static Pool& ofOthersFiles();

  /** @param owner whoever may withdraw the task later, or nullptr */
  void submit(std::unique_ptr<Task> task, const void* owner = nullptr);

  /** Takes all of the owner's tasks that have not begun out of the queue. */
  std::vector<std::unique_ptr<Task>> withdraw(const void* owner);

  struct State;

 private:
  explicit Pool(const char* threadName);
  static void work(State& state);

  State& state_;
};

class EnvJobs;

/**
 * One call whose work is done on a pool thread and whose promise is settled on the loop thread of the environment it
 * came from. Teardown of the environment drops jobs that have not begun and waits for those that run; a job is always
 * destroyed on the loop thread.
 */
class PromiseJob {
 public:
  virtual ~PromiseJob() = default;

  /** Starts the job; loop thread of `env`. Settles the returned promise on that thread. */
  static Napi::Promise start(Napi::Env env, std::unique_ptr<PromiseJob> job, Pool& pool = Pool::instance());

  /** Keeps a value (a buffer `run` reads or writes) alive until the promise is settled. Before `start`. */
  void keep(const Napi::Value& value);

 protected:
  /** On a pool thread. No N-API. What it throws rejects the promise. */
  virtual void run() = 0;
  /** On the loop thread, in a handle scope: what the promise is resolved with. What it throws rejects it. */
  virtual Napi::Value resolve(Napi::Env env) = 0;

 private:
  friend class EnvJobs;
  class Carrier;
  std::vector<Napi::Reference<Napi::Value>> kept_;
  napi_deferred deferred_ = nullptr;
  std::exception_ptr error_;
};

template <class Run, class Resolve>
class FunctionJob final : public PromiseJob {
 public:
  FunctionJob(Run run, Resolve resolve) : run_(std::move(run)), resolve_(std::move(resolve)) {}

 private:
  void run() override { run_(); }
  Napi::Value resolve(Napi::Env env) override { return resolve_(env); }

  Run run_;
  Resolve resolve_;
};

/**
 * Starts a job made of two functions: `run()` on a pool thread, `resolve(env)` on the loop thread. What both use goes
 * into a shared_ptr they capture.
 * @param kept values that must stay alive until the promise is settled
 */
template <class Run, class Resolve>
Napi::Promise startJob(Napi::Env env, std::initializer_list<Napi::Value> kept, Run run, Resolve resolve,
                       Pool& pool = Pool::instance()) {
  auto job = std::make_unique<FunctionJob<Run, Resolve>>(std::move(run), std::move(resolve));
  for (const Napi::Value& value : kept) job->keep(value);
  return PromiseJob::start(env, std::move(job), pool);
}

/**
 * A promise, of undefined, that any thread fulfils. One nobody fulfilled when its environment ends must be dropped by an
 * `EnvEnd`.
 */
class Promised {
 public:
  /** On the loop thread of `env`. */
  static std::pair<Napi::Promise, std::unique_ptr<Promised>> make(Napi::Env env);

  /** On any thread; at once where that is the promise's own loop thread, called from JS. */
  static void fulfil(std::unique_ptr<Promised> promised);

  /** The environment it belongs to, see `ownerOf`. */
  const void* owner() const { return jobs_.get(); }

 private:
  friend class EnvJobs;
  Promised(std::shared_ptr<EnvJobs> jobs, std::unique_ptr<PromiseJob> job);

  std::shared_ptr<EnvJobs> jobs_;
  std::unique_ptr<PromiseJob> job_;
};

/** Names an environment as long as `EnvEnd::ended` of it was not called. */
const void* ownerOf(Napi::Env env);

/** What a table of the process has to do for an environment that ends; both are called on its loop thread. */
struct EnvEnd {
  /** Destroys the promises of the owner that nobody has fulfilled; returns how many. */
  std::function<size_t(const void* owner)> dropPromised;
  /** None of the owner's jobs runs any more: what it has in the table can go. */
  std::function<void(const void* owner)> ended;
};
void atEnvEnd(Napi::Env env, EnvEnd end);

/** Makes the environment ready for jobs; called once per environment by addon.cc, before any capability. */
void initPool(Napi::Env env);

}  // namespace cairn
