#include "health/feed.h"

#include <errno.h>
#include <stddef.h>
#include <towline/fs.h>

#include "health/health.h"

struct request {
	const char *relay_host, *ca_file, *config;
	int64_t clock_offset_ms, queue_items;
	bool has_offset;
};

static const struct tl_json_member request_members[] = {
	{"relay_host", TL_JSON_TEXT, false, offsetof(struct request, relay_host), 0, 255},
	{"ca_file", TL_JSON_TEXT, false, offsetof(struct request, ca_file), 0, 4095},
	{"config", TL_JSON_TEXT, false, offsetof(struct request, config), 0, 4095},
	{"clock_offset_ms", TL_JSON_INT, false, offsetof(struct request, clock_offset_ms),
	 INT64_MIN, INT64_MAX},
	{"queue_items", TL_JSON_INT, false, offsetof(struct request, queue_items), 0, INT64_MAX},
};

static int read_all(int fd, struct tl_buf *out, struct tl_err *err)
{
	ssize_t n = 1;

	while (n > 0 || (n < 0 && errno == EINTR)) {
		char *room = tl_buf_reserve(out, 16384);

		n = room ? read(fd, room, 16384) : 0;
		if (n > 0)
			tl_buf_commit(out, (size_t)n);
	}
	if (n < 0)
		return tl_err_sys(err, TL_EIO, errno, "descriptor %d cannot be read", fd);
	return tl_buf_check(out);
}

/* Without a state that can be read everything is told: it is only a saving. */
static json_t *read_state(void)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(FEED_BYTES_MAX + 16384);
	json_t *state = NULL;

	if (read_all(FEED_STATE, &text, NULL) < 0 || text.len == 0 ||
	    tl_json_parse(text.data, text.len, &state, NULL) < 0)
		return NULL;
	return state;
}

static int write_json(int fd, const json_t *json, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(FEED_BYTES_MAX);

	tl_json_write(&text, json);
	if (tl_buf_check(&text) < 0)
		return tl_err_set(err, TL_ETOOBIG, "the health facts are larger than %d bytes",
				  FEED_BYTES_MAX);
	return tl_fs_write_all(fd, text.data, text.len, err);
}

static int read_request(json_t **ret_json, struct request *ret_request, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(64 * 1024);
	int r = read_all(FEED_IN, &text, err);

	if (r == 0)
		r = tl_json_parse(tl_buf_str(&text), text.len, ret_json, err);
	if (r == 0)
		r = tl_json_read(*ret_json, request_members, TL_ARRAY_LEN(request_members),
				 ret_request, err);
	if (r == 0)
		ret_request->has_offset = json_object_get(*ret_json, "clock_offset_ms");
	return r;
}

static int take(const struct request *request, const json_t *state, json_t **ret_snapshot,
		struct tl_err *err)
{
	struct tl_health_agent agent = {
		.has_offset = request->has_offset,
		.clock_offset_ms = request->clock_offset_ms,
		.relay_host = request->relay_host,
		.ca_file = request->ca_file,
		.queue_items = request->queue_items,
	};
	struct tl_health_options options = {
		.config = request->config,
		.is_lenient = true,
		.agent = &agent,
		.previous = json_object_get(state, "snapshot"),
	};

	return tl_health_take(&options, ret_snapshot, err);
}

int health_feed(struct tl_err *err)
{
	struct request request = {.queue_items = -1};
	tl_json *in = NULL;
	tl_json *state = read_state();
	tl_json *snapshot = NULL;
	tl_json *delta = NULL;
	tl_json *known = NULL;
	tl_json *next = NULL;
	int r = read_request(&in, &request, err);

	if (r == 0)
		r = take(&request, state, &snapshot, err);
	if (r == 0)
		r = tl_health_delta(json_object_get(state, "known"),
				    json_object_get(snapshot, "facts"), &delta, &known, err);
	if (r < 0)
		return r;
	next = json_pack("{s:O, s:O}", "snapshot", snapshot, "known", known);
	if (!next)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the health facts");
	r = write_json(FEED_NEXT, next, err);
	return r < 0 ? r : write_json(FEED_OUT, delta, err);
}
