#include <towline/line.h>

#include <arpa/inet.h>
#include <string.h>

/* type (8 bits) and length (24), big-endian */
#define HEADER_LEN 4
#define COUNT_LEN 8

enum type { TYPE_DATA, TYPE_ACK, TYPE_END };

/* A frame that waits to be sent, or to be acknowledged. */
struct frame {
	struct frame *next;
	uint64_t seq;	/* of its first byte in the stream */
	uint32_t count; /* of the stream: its payload; 1 for the end, which is acknowledged too */
	uint32_t at, len;
	bool is_end;
	char wire[]; /* header and payload, from `at`, `len` of them */
};

struct tl_line {
	bool framed;
	/* to the peer */
	struct frame *first, *last;
	struct frame *unsent;	      /* the first that is not wholly sent */
	bool sending;		      /* `unsent` was offered: nothing else may come between */
	size_t sent;		      /* of the frame, or the acknowledgement, that is being sent */
	size_t held, ahead;	      /* memory of all frames; of those in `unsent` */
	uint64_t queued, acked, gone; /* of the stream: taken; acknowledged; offered to be sent */
	bool ending, end_sent;
	char ack[HEADER_LEN + COUNT_LEN];
	bool acking, ack_due; /* `ack` is being sent; one is wanted */
	uint64_t told;	      /* received, as last acknowledged */
	/* from the peer */
	char head[HEADER_LEN + COUNT_LEN];
	size_t head_len;
	uint32_t payload_left;
	uint64_t received;
	bool ended;
	int64_t said_ms, heard_ms;
};

struct tl_line *tl_line_new(bool framed, int64_t now_ms)
{
	struct tl_line *line = calloc(1, sizeof *line);

	if (!line)
		return NULL;
	line->framed = framed;
	line->said_ms = line->heard_ms = now_ms;
	return line;
}

/* ---- to the peer -------------------------------------------------------------------------- */

static size_t cost_of(const struct frame *frame)
{
	return sizeof *frame + HEADER_LEN + frame->count;
}

size_t tl_line_room(const struct tl_line *line)
{
	size_t room;

	if (line->ending || line->ahead >= TL_LINE_AHEAD || line->held >= TL_LINE_WINDOW)
		return 0;
	room = TL_LINE_WINDOW - line->held;
	return room < TL_LINE_FRAME_MAX ? room : TL_LINE_FRAME_MAX;
}

static void put_header(char *at, enum type type, size_t len)
{
	uint32_t header = htonl((uint32_t)type << 24 | (uint32_t)len);

	memcpy(at, &header, HEADER_LEN);
}

static void put_count(char *at, uint64_t value)
{
	uint32_t half[2] = {htonl((uint32_t)(value >> 32)), htonl((uint32_t)value)};

	memcpy(at, half, COUNT_LEN);
}

static uint64_t get_count(const char *at)
{
	uint32_t half[2];

	memcpy(half, at, COUNT_LEN);
	return (uint64_t)ntohl(half[0]) << 32 | ntohl(half[1]);
}

static struct frame *append_frame(struct tl_line *line, size_t payload)
{
	struct frame *frame = malloc(sizeof *frame + HEADER_LEN + payload);

	if (!frame)
		return NULL;
	*frame = (struct frame){.seq = line->queued, .len = (uint32_t)(HEADER_LEN + payload)};
	if (line->last)
		line->last->next = frame;
	else
		line->first = frame;
	line->last = frame;
	if (!line->unsent)
		line->unsent = frame;
	return frame;
}

static void count_frame(struct tl_line *line, struct frame *frame, size_t count)
{
	frame->count = (uint32_t)count;
	line->queued += count;
	line->held += cost_of(frame);
	line->ahead += cost_of(frame);
}

int tl_line_put(struct tl_line *line, const void *bytes, size_t len)
{
	struct frame *frame;

	if (len == 0)
		return 0;
	if (line->ending || len > TL_LINE_FRAME_MAX)
		return TL_EINVAL;
	frame = append_frame(line, len);
	if (!frame)
		return TL_ENOMEM;
	put_header(frame->wire, TYPE_DATA, len);
	memcpy(frame->wire + HEADER_LEN, bytes, len);
	if (!line->framed) {
		frame->at = HEADER_LEN;
		frame->len -= HEADER_LEN;
	}
	count_frame(line, frame, len);
	return 0;
}

int tl_line_end(struct tl_line *line)
{
	struct frame *frame;

	if (line->ending)
		return 0;
	if (line->framed) {
		frame = append_frame(line, 0);
		if (!frame)
			return TL_ENOMEM;
		put_header(frame->wire, TYPE_END, 0);
		frame->is_end = true;
		count_frame(line, frame, 1);
	}
	line->ending = true;
	return 0;
}

/* What is being sent stays what it is until it is sent, even when something more urgent comes up. */
bool tl_line_next(struct tl_line *line, const char **ret_bytes, size_t *ret_len)
{
	if (!line->acking && line->ack_due && !line->sending) {
		put_header(line->ack, TYPE_ACK, COUNT_LEN);
		put_count(line->ack + HEADER_LEN, line->received);
		line->told = line->received;
		line->ack_due = false;
		line->acking = true;
	}
	if (line->acking) {
		*ret_bytes = line->ack + line->sent;
		*ret_len = sizeof line->ack - line->sent;
		return true;
	}
	if (!line->unsent)
		return false;
	/* TLS may have sent records of it when it says that it sent nothing yet. */
	line->sending = true;
	line->gone = line->unsent->seq + line->unsent->count;
	*ret_bytes = line->unsent->wire + line->unsent->at + line->sent;
	*ret_len = line->unsent->len - line->sent;
	return true;
}

static void drop_first(struct tl_line *line)
{
	struct frame *frame = line->first;

	line->first = frame->next;
	if (!line->first)
		line->last = NULL;
	line->held -= cost_of(frame);
	free(frame);
}

void tl_line_sent(struct tl_line *line, size_t len, int64_t now_ms)
{
	struct frame *frame = line->unsent;

	if (len == 0)
		return;
	line->said_ms = now_ms;
	line->sent += len;
	if (line->acking) {
		if (line->sent == sizeof line->ack) {
			line->acking = false;
			line->sent = 0;
		}
		return;
	}
	if (line->sent < frame->len)
		return;
	line->sent = 0;
	line->sending = false;
	line->unsent = frame->next;
	line->ahead -= cost_of(frame);
	line->end_sent |= frame->is_end;
	if (!line->framed)
		drop_first(line);
}

bool tl_line_end_sent(const struct tl_line *line)
{
	return line->framed ? line->end_sent : line->ending && !line->unsent;
}

/* ---- from the peer ------------------------------------------------------------------------ */

static int take_ack(struct tl_line *line, uint64_t count)
{
	if (count < line->acked || count > line->gone)
		return TL_EPROTO;
	line->acked = count;
	while (line->first && line->first != line->unsent &&
	       line->first->seq + line->first->count <= count)
		drop_first(line);
	return 0;
}

static int take_header(struct tl_line *line)
{
	uint32_t header, len;

	memcpy(&header, line->head, HEADER_LEN);
	header = ntohl(header);
	len = header & 0xffffff;
	switch (header >> 24) {
	case TYPE_DATA:
		line->payload_left = len;
		line->head_len = 0;
		return line->ended || len == 0 || len > TL_LINE_FRAME_MAX ? TL_EPROTO : 0;
	case TYPE_ACK:
		return len == COUNT_LEN ? 0 : TL_EPROTO;
	case TYPE_END:
		if (line->ended || len != 0)
			return TL_EPROTO;
		line->ended = true;
		line->received++;
		line->ack_due = true;
		line->head_len = 0;
		return 0;
	default:
		return TL_EPROTO;
	}
}

/* Gathers the header, and behind an acknowledgement's its count. */
static ssize_t read_head(struct tl_line *line, const char *bytes, size_t len)
{
	size_t want = line->head_len < HEADER_LEN ? HEADER_LEN : sizeof line->head;
	size_t used = want - line->head_len < len ? want - line->head_len : len;
	int rc = 0;

	memcpy(line->head + line->head_len, bytes, used);
	line->head_len += used;
	if (line->head_len == HEADER_LEN)
		rc = take_header(line);
	if (line->head_len == sizeof line->head) {
		line->head_len = 0;
		rc = take_ack(line, get_count(line->head + HEADER_LEN));
	}
	return rc != 0 ? rc : (ssize_t)used;
}

static void count_in(struct tl_line *line, size_t len)
{
	line->received += len;
	if (line->framed && line->received - line->told >= TL_LINE_ACK_EVERY)
		line->ack_due = true;
}

ssize_t tl_line_read(struct tl_line *line, const char *bytes, size_t len, int64_t now_ms,
		     const char **ret_bytes, size_t *ret_len)
{
	*ret_bytes = bytes;
	*ret_len = 0;
	line->heard_ms = now_ms;
	if (line->framed && line->payload_left == 0)
		return read_head(line, bytes, len);
	if (line->framed && len > line->payload_left)
		len = line->payload_left;
	if (line->framed)
		line->payload_left -= (uint32_t)len;
	count_in(line, len);
	*ret_len = len;
	return (ssize_t)len;
}

bool tl_line_ended(const struct tl_line *line)
{
	return line->ended;
}

/* ---- time --------------------------------------------------------------------------------- */

bool tl_line_tick(struct tl_line *line, bool listening, int64_t now_ms)
{
	if (!line->framed)
		return true;
	if (now_ms - line->said_ms >= TL_LINE_KEEPALIVE_MS)
		line->ack_due = true;
	if (!listening)
		line->heard_ms = now_ms;
	return now_ms - line->heard_ms < TL_LINE_DEAD_MS;
}

/* ---- another connection ------------------------------------------------------------------- */

uint64_t tl_line_received(const struct tl_line *line)
{
	return line->received;
}

/* The part of a frame that the peer has is left out: a header goes over its last bytes. */
static void trim(struct tl_line *line, struct frame *frame, uint64_t peer_received)
{
	uint32_t known;

	if (peer_received <= frame->seq || frame->is_end)
		return;
	known = (uint32_t)(peer_received - frame->seq);
	line->held -= known;
	frame->seq += known;
	frame->count -= known;
	frame->at += known;
	frame->len -= known;
	put_header(frame->wire + frame->at, TYPE_DATA, frame->count);
}

int tl_line_resume(struct tl_line *line, uint64_t peer_received, int64_t now_ms)
{
	if (!line->framed || peer_received < line->acked || peer_received > line->gone)
		return TL_EINVAL;
	line->acked = peer_received;
	while (line->first && line->first->seq + line->first->count <= peer_received)
		drop_first(line);
	if (line->first)
		trim(line, line->first, peer_received);
	line->unsent = line->first;
	line->ahead = line->held;
	line->sent = 0;
	line->sending = false;
	line->end_sent = line->ending && !line->first;
	line->acking = false;
	line->ack_due = true; /* the peer hears at once that it was heard */
	line->head_len = 0;
	line->payload_left = 0;
	line->told = line->received;
	line->said_ms = line->heard_ms = now_ms;
	return 0;
}

void tl_line_free(struct tl_line *line)
{
	if (!line)
		return;
	while (line->first)
		drop_first(line);
	free(line);
}
