#include <uv.h>

#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "errors.h"
#include "pool.h"

namespace cairn {

/**
 * The jobs of one environment: starts them, and settles their promises on its loop when pool threads are done with
 * them. Everything but `perform` and `complete` runs on the loop thread. Alive until its uv_async is closed and no pool
 * thread holds it.
 */
class EnvJobs : public std::enable_shared_from_this<EnvJobs> {
 public:
  explicit EnvJobs(Napi::Env env);
  EnvJobs(const EnvJobs&) = delete;
  EnvJobs& operator=(const EnvJobs&) = delete;

  static EnvJobs& of(Napi::Env env);
  void begin();
  Napi::Promise launch(std::unique_ptr<PromiseJob> job, Pool& pool);
  std::pair<Napi::Promise, std::unique_ptr<Promised>> promise();
  void complete(std::unique_ptr<PromiseJob> job);
  void fulfil(std::unique_ptr<PromiseJob> job);
  void onEnd(EnvEnd end) { ends_.push_back(std::move(end)); }

  static void perform(PromiseJob& job) noexcept;

 private:
  void deliver();
  void expect();
  void ended(size_t jobs);
  void settleAll(std::vector<std::unique_ptr<PromiseJob>>& batch);
  void settle(PromiseJob& job) noexcept;
  void teardown(napi_async_cleanup_hook_handle hook);
  void close();

  napi_env env_;
  const std::thread::id thread_ = std::this_thread::get_id();
  uv_async_t async_{};
  napi_async_context context_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  std::shared_ptr<EnvJobs> self_;  // the open uv_async's share
  size_t pending_ = 0;             // begun and not yet destroyed
  bool closing_ = false;
  std::vector<EnvEnd> ends_;

  std::mutex mutex_;
  std::vector<std::unique_ptr<PromiseJob>> done_;  // guarded by mutex_
};

class PromiseJob::Carrier final : public Task {
 public:
  Carrier(std::shared_ptr<EnvJobs> jobs, std::unique_ptr<PromiseJob> job)
      : jobs_(std::move(jobs)), job_(std::move(job)) {}

  void run(std::unique_ptr<Task>) noexcept override {
    EnvJobs::perform(*job_);
    // The loop may let go of everything as soon as it has the job.
    const std::shared_ptr<EnvJobs> jobs = std::move(jobs_);
    jobs->complete(std::move(job_));
  }

 private:
  std::shared_ptr<EnvJobs> jobs_;
  std::unique_ptr<PromiseJob> job_;
};

/** Work that is done by whoever fulfils the promise. */
class FulfilledJob final : public PromiseJob {
 private:
  void run() override {}
  Napi::Value resolve(Napi::Env env) override { return env.Undefined(); }
};

EnvJobs::EnvJobs(Napi::Env env) : env_(env) {}

void EnvJobs::begin() {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env_, &loop) != napi_ok) throw Napi::Error::New(env_, "This thread has no event loop");
  if (uv_async_init(loop, &async_, [](uv_async_t* async) { static_cast<EnvJobs*>(async->data)->deliver(); }) != 0) {
    throw Napi::Error::New(env_, "Cannot watch for finished jobs");
  }
  async_.data = this;
  uv_unref(reinterpret_cast<uv_handle_t*>(&async_));
  self_ = shared_from_this();
  napi_async_init(env_, nullptr, Napi::String::New(env_, "cairn.job"), &context_);
  napi_add_async_cleanup_hook(
      env_,
      [](napi_async_cleanup_hook_handle hook, void* data) { static_cast<EnvJobs*>(data)->teardown(hook); }, this,
      &hook_);
}

EnvJobs& EnvJobs::of(Napi::Env env) { return **env.GetInstanceData<std::shared_ptr<EnvJobs>>(); }

Napi::Promise EnvJobs::launch(std::unique_ptr<PromiseJob> job, Pool& pool) {
  if (closing_) throw Napi::Error::New(env_, "This thread is being shut down");
  napi_value promise = nullptr;
  if (napi_create_promise(env_, &job->deferred_, &promise) != napi_ok) throw Napi::Error::New(env_);
  pool.submit(std::make_unique<PromiseJob::Carrier>(shared_from_this(), std::move(job)), this);
  expect();
  return Napi::Promise(env_, promise);
}

std::pair<Napi::Promise, std::unique_ptr<Promised>> EnvJobs::promise() {
  if (closing_) throw Napi::Error::New(env_, "This thread is being shut down");
  auto job = std::make_unique<FulfilledJob>();
  napi_value promise = nullptr;
  if (napi_create_promise(env_, &job->deferred_, &promise) != napi_ok) throw Napi::Error::New(env_);
  expect();
  return {Napi::Promise(env_, promise), std::unique_ptr<Promised>(new Promised(shared_from_this(), std::move(job)))};
}

/** Any thread. On the loop thread, thus in a call from JS, the promise is settled when this returns. */
void EnvJobs::fulfil(std::unique_ptr<PromiseJob> job) {
  if (std::this_thread::get_id() != thread_) return complete(std::move(job));
  if (!closing_) settle(*job);
  job.reset();
  ended(1);
}

void EnvJobs::expect() {
  if (pending_++ == 0) uv_ref(reinterpret_cast<uv_handle_t*>(&async_));
}

void EnvJobs::ended(size_t jobs) {
  pending_ -= jobs;
  if (pending_ > 0) return;
  if (closing_) {
    close();
  } else {
    uv_unref(reinterpret_cast<uv_handle_t*>(&async_));
  }
}

void EnvJobs::perform(PromiseJob& job) noexcept {
  try {
    job.run();
  } catch (...) {
    job.error_ = std::current_exception();
  }
}

void EnvJobs::complete(std::unique_ptr<PromiseJob> job) {
  // Sent under the lock: once the loop has taken the job, it may close the async.
  std::lock_guard lock(mutex_);
  done_.push_back(std::move(job));
  uv_async_send(&async_);
}

void EnvJobs::deliver() {
  std::vector<std::unique_ptr<PromiseJob>> batch;
  {
    std::lock_guard lock(mutex_);
    batch.swap(done_);
  }
  if (batch.empty()) return;
  const size_t jobs = batch.size();
  if (!closing_) settleAll(batch);
  batch.clear();
  ended(jobs);
}

/** Settles each and destroys it; then the microtasks of all run as the callback scope closes. */
void EnvJobs::settleAll(std::vector<std::unique_ptr<PromiseJob>>& batch) {
  napi_handle_scope handles = nullptr;
  napi_callback_scope callback = nullptr;
  if (napi_open_handle_scope(env_, &handles) != napi_ok) return;
  if (napi_open_callback_scope(env_, nullptr, context_, &callback) == napi_ok) {
    for (auto& job : batch) {
      settle(*job);
      job.reset();
    }
    napi_close_callback_scope(env_, callback);
  }
  napi_close_handle_scope(env_, handles);
}

/** Where JS can no longer run (the thread is being terminated) the promise stays pending. */
void EnvJobs::settle(PromiseJob& job) noexcept {
  try {
    Napi::HandleScope scope(env_);
    napi_value value = nullptr;
    bool failed = job.error_ != nullptr;
    try {
      value = failed ? toJsError(env_, job.error_).Value() : job.resolve(env_);
    } catch (const Napi::Error& error) {
      failed = true;
      value = error.Value();
    } catch (...) {
      failed = true;
      value = toJsError(env_, std::current_exception()).Value();
    }
    if (failed) {
      napi_reject_deferred(env_, job.deferred_, value);
    } else {
      napi_resolve_deferred(env_, job.deferred_, value);
    }
  } catch (...) {
    return;
  }
}

void EnvJobs::teardown(napi_async_cleanup_hook_handle hook) {
  hook_ = hook;
  closing_ = true;
  for (Pool* pool : {&Pool::instance(), &Pool::ofOthersFiles()}) pending_ -= pool->withdraw(this).size();
  for (const EnvEnd& end : ends_) pending_ -= end.dropPromised(this);
  if (pending_ == 0) close();
}

void EnvJobs::close() {
  for (const EnvEnd& end : ends_) end.ended(this);
  napi_async_destroy(env_, context_);
  uv_close(reinterpret_cast<uv_handle_t*>(&async_), [](uv_handle_t* handle) {
    const std::shared_ptr<EnvJobs> jobs = std::move(static_cast<EnvJobs*>(handle->data)->self_);
    napi_remove_async_cleanup_hook(jobs->hook_);
  });
}

Napi::Promise PromiseJob::start(Napi::Env env, std::unique_ptr<PromiseJob> job, Pool& pool) {
  return EnvJobs::of(env).launch(std::move(job), pool);
}

std::pair<Napi::Promise, std::unique_ptr<Promised>> Promised::make(Napi::Env env) {
  return EnvJobs::of(env).promise();
}

Promised::Promised(std::shared_ptr<EnvJobs> jobs, std::unique_ptr<PromiseJob> job)
    : jobs_(std::move(jobs)), job_(std::move(job)) {}

void Promised::fulfil(std::unique_ptr<Promised> promised) {
  // The loop may let go of everything as soon as it has the job.
  const std::shared_ptr<EnvJobs> jobs = std::move(promised->jobs_);
  jobs->fulfil(std::move(promised->job_));
}

const void* ownerOf(Napi::Env env) { return &EnvJobs::of(env); }

void atEnvEnd(Napi::Env env, EnvEnd end) { EnvJobs::of(env).onEnd(std::move(end)); }

void PromiseJob::keep(const Napi::Value& value) {
  if (value.IsObject()) kept_.push_back(Napi::Persistent(value));
}

void initPool(Napi::Env env) {
  auto jobs = std::make_shared<EnvJobs>(env);
  jobs->begin();
  env.SetInstanceData(new std::shared_ptr<EnvJobs>(std::move(jobs)));
}

}  // namespace cairn
