#include "http/worker.h"

#include <pthread.h>
#include <stdlib.h>

#include "http/loop.h"
#include "http/server.h"

struct worker {
	struct tl_pool *pool;
	pthread_t thread;
	bool started, opened;
	void *context;
	struct tl_date date;
};

struct tl_pool {
	struct tl_http *http;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct tl_http_call *first, *last;
	atomic_size_t waiting;
	unsigned idle;
	bool stopping;
	unsigned count;
	struct worker workers[];
};

/* The next call, or NULL when the pool stops. A worker that leaves calls behind wakes the next: no call
 * waits behind a slow one while a worker is idle. */
static struct tl_http_call *take_call(struct tl_pool *pool)
{
	struct tl_http_call *call;

	pthread_mutex_lock(&pool->lock);
	while (!pool->first && !pool->stopping) {
		pool->idle++;
		pthread_cond_wait(&pool->wake, &pool->lock);
		pool->idle--;
	}
	call = pool->first;
	if (call) {
		pool->first = call->next;
		atomic_fetch_sub_explicit(&pool->waiting, 1, memory_order_relaxed);
		if (pool->first && pool->idle > 0)
			pthread_cond_signal(&pool->wake);
	}
	pthread_mutex_unlock(&pool->lock);
	return call;
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct tl_http_call *call;

	while ((call = take_call(worker->pool))) {
		call->worker = worker->context;
		call->date = &worker->date;
		tl_dispatch_run(call);
		tl_loop_complete(call);
	}
	return NULL;
}

static int start_worker(struct worker *worker, struct tl_err *err)
{
	struct tl_http_config *config = &worker->pool->http->config;
	int rc;

	if (config->worker_open) {
		rc = config->worker_open(config->user, &worker->context, err);
		if (rc < 0)
			return rc;
	}
	worker->opened = true;
	rc = pthread_create(&worker->thread, NULL, worker_main, worker);
	if (rc != 0)
		return tl_err_sys(err, TL_EIO, rc, "cannot start a worker thread");
	worker->started = true;
	return 0;
}

int tl_pool_new(struct tl_http *http, unsigned workers, struct tl_pool **ret_pool,
		struct tl_err *err)
{
	struct tl_pool *pool = calloc(1, sizeof *pool + workers * sizeof pool->workers[0]);

	if (!pool)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the workers");
	pool->http = http;
	pool->count = workers;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->wake, NULL);
	for (unsigned i = 0; i < workers; i++) {
		int rc;

		pool->workers[i].pool = pool;
		rc = start_worker(&pool->workers[i], err);
		if (rc < 0) {
			tl_pool_free(pool);
			return rc;
		}
	}
	*ret_pool = pool;
	return 0;
}

size_t tl_pool_waiting(struct tl_pool *pool)
{
	return atomic_load_explicit(&pool->waiting, memory_order_relaxed);
}

bool tl_pool_full(struct tl_pool *pool)
{
	return tl_pool_waiting(pool) >= TL_POOL_WAITING_MAX;
}

void tl_pool_submit(struct tl_pool *pool, struct tl_http_call *first, struct tl_http_call *last,
		    size_t count)
{
	pthread_mutex_lock(&pool->lock);
	last->next = NULL;
	if (pool->first)
		pool->last->next = first;
	else
		pool->first = first;
	pool->last = last;
	atomic_fetch_add_explicit(&pool->waiting, count, memory_order_relaxed);
	if (pool->idle > 0)
		pthread_cond_signal(&pool->wake);
	pthread_mutex_unlock(&pool->lock);
}

static void stop_worker(struct worker *worker)
{
	struct tl_http_config *config = &worker->pool->http->config;

	if (worker->started)
		pthread_join(worker->thread, NULL);
	if (worker->opened && config->worker_close)
		config->worker_close(worker->context);
}

void tl_pool_free(struct tl_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->wake);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->count; i++)
		if (pool->workers[i].pool)
			stop_worker(&pool->workers[i]);
	pthread_cond_destroy(&pool->wake);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}
