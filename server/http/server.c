#include "http/server.h"

#include <stdlib.h>
#include <unistd.h>

void tl_http_config_init(struct tl_http_config *config)
{
	*config = (struct tl_http_config){
		.listen = "127.0.0.1:0",
		.listen_fd = -1,
		.max_connections = 20000,
		.header_timeout_ms = 15000,
		.body_idle_timeout_ms = 30000,
		.keepalive_timeout_ms = 75000,
		.write_timeout_ms = 30000,
		.heartbeat_ms = 20000,
		.max_header_bytes = (size_t)16 * 1024,
	};
}

static void default_threads(struct tl_http_config *config)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (cores < 1)
		cores = 1;
	if (config->loops == 0)
		config->loops = (unsigned)cores;
	if (config->loops > TL_HTTP_LOOPS_MAX)
		config->loops = TL_HTTP_LOOPS_MAX;
	if (config->workers == 0)
		config->workers = cores < 2 ? 4 : (unsigned)cores * 2;
}

static int make_loops(struct tl_http *http, struct tl_err *err)
{
	int fds[TL_HTTP_LOOPS_MAX];
	unsigned count = http->config.loops;
	int rc;

	for (unsigned i = 0; i < count; i++)
		fds[i] = -1;
	rc = tl_listen(&http->config, count, fds, &http->port, err);
	for (unsigned i = 0; rc == 0 && i < count; i++) {
		rc = tl_loop_new(http, tl_steal_fd(&fds[i]), &http->loops[i], err);
		if (rc == 0)
			http->loop_count++;
	}
	for (unsigned i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return rc;
}

static int build(struct tl_http *http, struct tl_err *err)
{
	const struct tl_http_config *config = &http->config;
	int rc = tl_router_check(config->routes, config->route_count, err);

	if (rc == 0)
		rc = tl_trust_new(config->trusted_proxies, &http->trust, err);
	if (rc == 0)
		rc = tl_tls_new(config->certificate_file, config->key_file, &http->tls, err);
	if (rc == 0 && !(http->hub = tl_hub_new()))
		rc = tl_err_set(err, TL_ENOMEM, "out of memory for the event hub");
	if (rc == 0)
		rc = make_loops(http, err);
	if (rc == 0)
		rc = tl_pool_new(http, config->workers, &http->pool, err);
	for (unsigned i = 0; rc == 0 && i < http->loop_count; i++)
		rc = tl_loop_start(http->loops[i], err);
	return rc;
}

int tl_http_start(const struct tl_http_config *config, struct tl_http **ret_http,
		  struct tl_err *err)
{
	struct tl_http *http = calloc(1, sizeof *http);
	int rc;

	if (!http)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the server");
	http->config = *config;
	tl_lines_init(&http->lines);
	default_threads(&http->config);
	rc = build(http, err);
	if (rc < 0) {
		tl_http_free(http);
		return rc;
	}
	*ret_http = http;
	return 0;
}

unsigned tl_http_port(const struct tl_http *http)
{
	return http->port;
}

uint64_t tl_http_accepted(const struct tl_http *http)
{
	return atomic_load_explicit(&http->accepted, memory_order_relaxed);
}

int tl_http_reload(struct tl_http *http, struct tl_err *err)
{
	return tl_tls_reload(http->tls, err);
}

size_t tl_http_publish(struct tl_http *http, const char *topic, const char *id, const char *event,
		       const char *data)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_HUB_QUEUE_BYTES_MAX);

	tl_http_sse_format(&text, id, event, data);
	return tl_buf_check(&text) < 0 ? 0 : tl_hub_publish(http->hub, topic, text.data, text.len);
}

void tl_http_stop(struct tl_http *http, int64_t drain_ms)
{
	http->drain_ms = drain_ms > 0 ? drain_ms : 0;
	atomic_store(&http->draining, true);
	for (unsigned i = 0; i < http->loop_count; i++)
		if (http->loops[i]->started)
			tl_loop_notify(http->loops[i]);
	for (unsigned i = 0; i < http->loop_count; i++)
		tl_loop_join(http->loops[i]);
	tl_pool_free(tl_steal(&http->pool));
}

void tl_http_free(struct tl_http *http)
{
	if (!http)
		return;
	tl_http_stop(http, 0);
	for (unsigned i = 0; i < http->loop_count; i++)
		tl_loop_free(http->loops[i]);
	tl_lines_clear(&http->lines);
	tl_hub_free(http->hub);
	tl_tls_free(http->tls);
	tl_trust_free(http->trust);
	free(http);
}
