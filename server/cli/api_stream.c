/* Server-sent events (WHATWG HTML §9.2) as the engineer's command reads them. */
#include "cli/api_private.h"

#include <string.h>
#include <time.h>

#define LINE_MAX_BYTES (256 * 1024)
#define POLL_MS 1000
#define SILENCE_S 65 /* three of the relay's heartbeats */

struct reading {
	struct tl_api *api;
	struct tl_api_stream *stream;
	struct tl_buf line, data, problem;
	char name[64];
	time_t heard;
	int result; /* what ended it; 0: nothing yet */
	struct tl_err *err;
};

static void dispatch(struct reading *reading)
{
	if (reading->data.len > 0 && reading->result == 0)
		reading->result = reading->stream->event(reading->stream->arg, reading->name,
							 tl_buf_str(&reading->data), reading->err);
	tl_buf_reset(&reading->data);
	reading->name[0] = '\0';
}

static void take_line(struct reading *reading)
{
	const char *line = tl_buf_str(&reading->line);

	if (!*line)
		dispatch(reading);
	else if (strncmp(line, "event: ", 7) == 0)
		snprintf(reading->name, sizeof reading->name, "%s", line + 7);
	else if (strncmp(line, "data: ", 6) == 0)
		tl_buf_puts(&reading->data, line + 6);
	tl_buf_reset(&reading->line);
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *arg)
{
	struct reading *reading = arg;
	size_t len = size * count;
	long status = 0;

	reading->heard = time(NULL);
	curl_easy_getinfo(reading->api->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 300) {
		tl_buf_append(&reading->problem, bytes, len);
		return len;
	}
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '\n')
			take_line(reading);
		else if (bytes[i] != '\r')
			tl_buf_putc(&reading->line, bytes[i]);
	}
	if (tl_buf_check(&reading->line) || tl_buf_check(&reading->data))
		reading->result = tl_err_set(reading->err, TL_EPROTO,
					     "the relay sent an event that is too long");
	return len;
}

static int finish(const struct reading *reading, CURLcode code)
{
	long status = 0;

	curl_easy_getinfo(reading->api->curl, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_OK && status >= 300)
		return tl_api_fail_with_problem(reading->api, &reading->problem, status,
						reading->err);
	return tl_err_set(reading->err, TL_EUNREACH, "the relay's stream broke off%s%s",
			  code == CURLE_OK ? "" : ": ",
			  code == CURLE_OK ? "" : curl_easy_strerror(code));
}

static int run(struct reading *reading, CURLM *multi)
{
	struct tl_api_stream *stream = reading->stream;
	int running = 1, left;

	while (reading->result == 0) {
		struct curl_waitfd extra = {.fd = stream->fd, .events = CURL_WAIT_POLLIN};
		const CURLMsg *message;

		if (curl_multi_perform(multi, &running) != CURLM_OK)
			return tl_err_set(reading->err, TL_EINTERNAL, "libcurl gave up");
		if (reading->result != 0)
			break;
		if (!running) {
			message = curl_multi_info_read(multi, &left);
			return finish(reading, message ? message->data.result : CURLE_OK);
		}
		if (time(NULL) - reading->heard > SILENCE_S)
			return tl_err_set(reading->err, TL_EUNREACH, "the relay is silent");
		extra.revents = 0;
		curl_multi_poll(multi, &extra, stream->fd >= 0, POLL_MS, NULL);
		if (extra.revents && stream->fd >= 0)
			reading->result = stream->readable(stream->arg, reading->err);
	}
	return reading->result;
}

int tl_api_stream(struct tl_api *api, const char *path, struct tl_api_stream *stream,
		  struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf url = TL_BUF_INIT(8192);
	struct reading reading = {
		.api = api,
		.stream = stream,
		.line = TL_BUF_INIT(LINE_MAX_BYTES),
		.data = TL_BUF_INIT(LINE_MAX_BYTES),
		.problem = TL_BUF_INIT(64 * 1024),
		.heard = time(NULL),
		.err = err,
	};
	CURLM *multi = curl_multi_init();
	int rc;

	tl_buf_printf(&url, "%s%s", tl_api_profile(api)->relay, path);
	curl_easy_setopt(api->curl, CURLOPT_URL, tl_buf_str(&url));
	curl_easy_setopt(api->curl, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(api->curl, CURLOPT_LOW_SPEED_TIME, 0L); /* heartbeats are fewer */
	curl_easy_setopt(api->curl, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(api->curl, CURLOPT_WRITEDATA, &reading);
	curl_multi_add_handle(multi, api->curl);
	rc = run(&reading, multi);
	curl_multi_remove_handle(multi, api->curl);
	curl_multi_cleanup(multi);
	tl_buf_clear(&reading.line);
	tl_buf_clear(&reading.data);
	tl_buf_clear(&reading.problem);
	return rc;
}
