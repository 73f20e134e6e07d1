#include "collect/progress.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <towline/buf.h>
#include <towline/json.h>

#define TELL_MS 200

void progress_init(struct progress *progress, int fd, const struct tl_clock *clock, size_t count)
{
	*progress = (struct progress){
		.fd = fd,
		.clock = clock,
		.count = count,
		.started_ms = tl_clock_mono_ms(clock),
	};
}

/* By the share of rows that ended; rough, and -1 before anything is known. */
static int64_t left_ms(const struct progress *progress)
{
	int64_t took = tl_clock_mono_ms(progress->clock) - progress->started_ms;

	if (progress->ended == 0)
		return -1;
	return took * (int64_t)(progress->count - progress->ended) / (int64_t)progress->ended;
}

/* A pipe that is full: its reader is slow, and may miss a line. */
static int has_room(int fd)
{
	struct pollfd polled = {.fd = fd, .events = POLLOUT};

	return poll(&polled, 1, 0) > 0 && (polled.revents & POLLOUT);
}

static void send_line(struct progress *progress, json_t *json, uint64_t bytes)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(4096);
	tl_json *owned = json;

	if (progress->fd < 0)
		return;
	json_object_set_new(owned, "count", json_integer((json_int_t)progress->count));
	json_object_set_new(owned, "ended", json_integer((json_int_t)progress->ended));
	json_object_set_new(owned, "bytes", json_integer((json_int_t)bytes));
	json_object_set_new(owned, "left_ms", json_integer(left_ms(progress)));
	tl_json_write(&line, owned);
	tl_buf_putc(&line, '\n');
	if (tl_buf_check(&line) < 0 || !has_room(progress->fd))
		return;
	if (write(progress->fd, line.data, line.len) < 0)
		progress->fd = -1;
}

void progress_begin(struct progress *progress, const struct collector *row)
{
	progress->begun++;
	send_line(progress,
		  json_pack("{s:s, s:s, s:s, s:I}", "collector", row->name, "summary", row->summary,
			    "state", "running", "index", (json_int_t)progress->begun),
		  progress->ended_bytes);
}

void progress_bytes(struct progress *progress, uint64_t bytes)
{
	int64_t now = tl_clock_mono_ms(progress->clock);

	if (now - progress->told_ms < TELL_MS)
		return;
	progress->told_ms = now;
	send_line(progress, json_object(), progress->ended_bytes + bytes);
}

void progress_end(struct progress *progress, const struct collector *row, const char *outcome,
		  uint64_t bytes)
{
	progress->ended++;
	progress->ended_bytes += bytes;
	send_line(progress,
		  json_pack("{s:s, s:s, s:s}", "collector", row->name, "summary", row->summary,
			    "state", outcome),
		  progress->ended_bytes);
}
