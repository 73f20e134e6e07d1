#include "http/loop.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "http/conn.h"
#include "http/server.h"

int64_t tl_loop_now(const struct tl_loop *loop)
{
	return (int64_t)uv_now(&loop->uv);
}

/* ---- deadlines ---- */

static void on_due(void *arg, struct tl_wheel_node *node)
{
	(void)arg;
	tl_conn_step(tl_container_of(node, struct tl_conn, timer), TL_CONN_TIMEOUT);
}

static void on_tick(uv_timer_t *timer)
{
	struct tl_loop *loop = timer->data;

	tl_wheel_advance(&loop->wheel, tl_loop_now(loop), on_due, NULL);
	if (loop->wheel.count == 0)
		uv_timer_stop(timer);
}

void tl_loop_arm(struct tl_loop *loop, struct tl_wheel_node *node, int64_t due_ms)
{
	if (loop->wheel.count == 0 && !uv_is_active((uv_handle_t *)&loop->tick)) {
		tl_wheel_init(&loop->wheel, tl_loop_now(loop));
		uv_timer_start(&loop->tick, on_tick, TL_WHEEL_TICK_MS, TL_WHEEL_TICK_MS);
	}
	tl_wheel_set(&loop->wheel, node, due_ms);
}

/* ---- calls to and from the workers ---- */

void tl_loop_submit(struct tl_loop *loop, struct tl_http_call *call, enum tl_call_stage stage)
{
	call->stage = stage;
	call->next = NULL;
	if (loop->outgoing_first)
		loop->outgoing_last->next = call;
	else
		loop->outgoing_first = call;
	loop->outgoing_last = call;
	loop->outgoing_count++;
}

static void flush_outgoing(struct tl_loop *loop)
{
	struct tl_http_call *first = loop->outgoing_first;

	if (!first)
		return;
	loop->outgoing_first = NULL;
	tl_pool_submit(loop->http->pool, first, loop->outgoing_last, loop->outgoing_count);
	loop->outgoing_count = 0;
}

static void on_prepare(uv_prepare_t *prepare)
{
	flush_outgoing(prepare->data);
}

static void on_check(uv_check_t *check)
{
	flush_outgoing(check->data);
}

void tl_loop_complete(struct tl_http_call *call)
{
	struct tl_loop *loop = call->loop;
	bool was_empty;

	call->next = NULL;
	pthread_mutex_lock(&loop->inbox_lock);
	was_empty = !loop->inbox_first;
	if (was_empty)
		loop->inbox_first = call;
	else
		loop->inbox_last->next = call;
	loop->inbox_last = call;
	if (was_empty)
		uv_async_send(&loop->async);
	pthread_mutex_unlock(&loop->inbox_lock);
}

static void take_completions(struct tl_loop *loop)
{
	struct tl_http_call *call;

	pthread_mutex_lock(&loop->inbox_lock);
	call = loop->inbox_first;
	loop->inbox_first = NULL;
	pthread_mutex_unlock(&loop->inbox_lock);
	while (call) {
		struct tl_http_call *next = call->next;

		call->date = &loop->date;
		call->worker = NULL;
		tl_conn_step(call->conn, TL_CONN_DONE);
		call = next;
	}
}

/* ---- the end ---- */

static void close_handles(struct tl_loop *loop)
{
	if (loop->ending)
		return;
	loop->ending = true;
	uv_close((uv_handle_t *)&loop->async, NULL);
	uv_close((uv_handle_t *)&loop->prepare, NULL);
	uv_close((uv_handle_t *)&loop->check, NULL);
	uv_close((uv_handle_t *)&loop->tick, NULL);
	uv_close((uv_handle_t *)&loop->deadline, NULL);
	uv_close((uv_handle_t *)&loop->sweep, NULL);
}

static void step_all(struct tl_loop *loop, void (*step)(struct tl_conn *conn))
{
	struct tl_conn *next;

	for (struct tl_conn *conn = loop->conns; conn; conn = next) {
		next = conn->next;
		step(conn);
	}
}

static void drain_conn(struct tl_conn *conn)
{
	tl_conn_step(conn, TL_CONN_DRAIN);
}

static void on_drain_over(uv_timer_t *timer)
{
	step_all(timer->data, tl_conn_close);
}

static void begin_drain(struct tl_loop *loop)
{
	loop->draining = true;
	uv_close((uv_handle_t *)&loop->listener, NULL);
	close(loop->listen_fd);
	loop->listen_fd = -1;
	uv_timer_start(&loop->deadline, on_drain_over, (uint64_t)loop->http->drain_ms, 0);
	step_all(loop, drain_conn);
	if (!loop->conns)
		close_handles(loop);
}

void tl_loop_adopt(struct tl_loop *loop, struct tl_conn *conn)
{
	conn->next = loop->conns;
	conn->slot = &loop->conns;
	if (conn->next)
		conn->next->slot = &conn->next;
	loop->conns = conn;
	atomic_fetch_add_explicit(&loop->http->connections, 1, memory_order_relaxed);
}

void tl_loop_forget(struct tl_loop *loop, struct tl_conn *conn)
{
	*conn->slot = conn->next;
	if (conn->next)
		conn->next->slot = conn->slot;
	atomic_fetch_sub_explicit(&loop->http->connections, 1, memory_order_relaxed);
	if (loop->draining && !loop->conns)
		close_handles(loop);
}

/* ---- life ---- */

struct tl_subscription **tl_loop_wake_list(struct tl_loop *loop)
{
	return &loop->wake_first;
}

static void on_async(uv_async_t *async)
{
	struct tl_loop *loop = async->data;
	struct tl_conn *conn;

	take_completions(loop);
	while ((conn = tl_hub_next(loop->http->hub, loop)))
		tl_conn_step(conn, TL_CONN_WAKE);
	if (!loop->draining && atomic_load(&loop->http->draining))
		begin_drain(loop);
}

void tl_loop_notify(struct tl_loop *loop)
{
	uv_async_send(&loop->async);
}

static int init_handles(struct tl_loop *loop)
{
	int rc = uv_async_init(&loop->uv, &loop->async, on_async);

	loop->async.data = loop;
	uv_prepare_init(&loop->uv, &loop->prepare);
	loop->prepare.data = loop;
	uv_prepare_start(&loop->prepare, on_prepare);
	uv_check_init(&loop->uv, &loop->check);
	loop->check.data = loop;
	uv_check_start(&loop->check, on_check);
	uv_timer_init(&loop->uv, &loop->tick);
	loop->tick.data = loop;
	uv_timer_init(&loop->uv, &loop->deadline);
	loop->deadline.data = loop;
	uv_timer_init(&loop->uv, &loop->sweep);
	loop->sweep.data = loop;
	return rc ? rc : tl_accept_start(loop);
}

int tl_loop_new(struct tl_http *http, int listen_fd, struct tl_loop **ret_loop, struct tl_err *err)
{
	struct tl_loop *loop = calloc(1, sizeof *loop);
	int rc = loop ? uv_loop_init(&loop->uv) : UV_ENOMEM;

	if (rc == 0) {
		loop->http = http;
		loop->listen_fd = listen_fd;
		pthread_mutex_init(&loop->inbox_lock, NULL);
		tl_wheel_init(&loop->wheel, tl_loop_now(loop));
		rc = init_handles(loop);
	}
	if (rc != 0) {
		free(loop);
		close(listen_fd);
		return tl_err_set(err, TL_EIO, "cannot make an event loop: %s", uv_strerror(rc));
	}
	*ret_loop = loop;
	return 0;
}

static void *loop_main(void *arg)
{
	struct tl_loop *loop = arg;
	sigset_t pipe_only;

	/* OpenSSL writes with write(2): a peer that left must be an error, not a signal. */
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_only, NULL);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	return NULL;
}

static void on_sweep(uv_timer_t *timer)
{
	struct tl_loop *loop = timer->data;

	tl_lines_sweep(&loop->http->lines);
}

int tl_loop_start(struct tl_loop *loop, struct tl_err *err)
{
	int rc;

	if (loop == loop->http->loops[0])
		uv_timer_start(&loop->sweep, on_sweep, TL_LINE_SWEEP_MS, TL_LINE_SWEEP_MS);
	rc = pthread_create(&loop->thread, NULL, loop_main, loop);

	if (rc != 0)
		return tl_err_sys(err, TL_EIO, rc, "cannot start a loop thread");
	loop->started = true;
	return 0;
}

void tl_loop_join(struct tl_loop *loop)
{
	if (loop->started)
		pthread_join(loop->thread, NULL);
	loop->started = false;
}

/* A loop that never ran still has its handles to close. */
void tl_loop_free(struct tl_loop *loop)
{
	if (!loop)
		return;
	if (!loop->ending) {
		begin_drain(loop);
		uv_run(&loop->uv, UV_RUN_DEFAULT);
	}
	uv_loop_close(&loop->uv);
	pthread_mutex_destroy(&loop->inbox_lock);
	free(loop);
}
