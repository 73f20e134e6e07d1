#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/fs.h>
#include <towline/jwt.h>
#include <towline/record.h>
#include <towline/str.h>

#include "record_line.h"
#include "record_sftp.h"

#define CHUNK_MAX \
	(16 * 1024)   /* of output in a line: six times that, escaped, stays below the limit */
#define FLUSH_MS 1000 /* how long output may wait for its way to the disk */

enum stream_kind { STREAM_TERMINAL, STREAM_OTHER, STREAM_FILES, STREAM_FORWARD };

struct stream {
	bool used;
	struct tl_record *record;
	struct tl_sftp *sftp; /* STREAM_FILES */
	unsigned channel;
	enum stream_kind kind;
	char pending[4]; /* the beginning of a character whose rest has not come */
	size_t pending_len;
	uint64_t out_bytes, in_bytes, kept_bytes;
	int64_t opened_ms;
	bool cut;
	struct tl_sha256 *out_hash, *in_hash;
};

struct tl_record {
	int fd;
	const struct tl_clock *clock;
	tl_record_tap *tap;
	void *tap_arg;
	int64_t start_ms, flushed_ms;
	uint64_t lines, size;
	char last[TL_SHA256_HEX]; /* the previous line's h; "" before the header */
	char session[64], recorder[16];
	struct tl_buf line;
	struct tl_sha256 *hash;
	struct stream streams[TL_RECORD_CHANNELS_MAX];
	int failed; /* the first failure: nothing is written after it */
};

/* Ends the line that stands in record->line (without h and brace) and writes it. */
static int write_line(struct tl_record *record, struct tl_err *err)
{
	uint8_t digest[TL_SHA256_LEN];
	int rc = tl_buf_check(&record->line);

	if (record->failed)
		return tl_err_set(err, record->failed, "the recording failed before");
	if (rc != 0) {
		record->failed = rc;
		return tl_err_set(err, rc, "a line of the recording is too long");
	}
	tl_sha256_update(record->hash, record->last, strlen(record->last));
	tl_sha256_update(record->hash, record->line.data, record->line.len);
	tl_sha256_final(record->hash, digest);
	tl_hex_encode(digest, sizeof(digest), record->last);
	tl_buf_printf(&record->line, TL_RECORD_HASH_MEMBER "%s\"}\n", record->last);
	rc = tl_buf_check(&record->line);
	if (rc == 0)
		rc = tl_fs_write_all(record->fd, record->line.data, record->line.len, err);
	if (rc != 0) {
		record->failed = rc;
		return rc;
	}
	record->lines++;
	record->size += record->line.len;
	if (record->tap)
		record->tap(record->tap_arg, record->line.data, record->line.len);
	return 0;
}

/* {"n":…,"t":…,"ch":…,"k":"kind" */
static void begin_line(struct tl_record *record, unsigned channel, const char *kind)
{
	int64_t elapsed_ms = tl_clock_mono_ms(record->clock) - record->start_ms;

	tl_buf_reset(&record->line);
	tl_buf_printf(&record->line, "{\"n\":%llu,\"t\":%lld.%03lld,\"ch\":%u,\"k\":\"%s\"",
		      (unsigned long long)record->lines, (long long)(elapsed_ms / 1000),
		      (long long)(elapsed_ms % 1000), channel, kind);
}

static void put_text(struct tl_record *record, const char *name, const char *text)
{
	if (!text)
		return;
	tl_buf_printf(&record->line, ",\"%s\":\"", name);
	tl_record_escape(&record->line, text, strlen(text), NULL);
	tl_buf_putc(&record->line, '"');
}

static int write_header(struct tl_record *record, const struct tl_record_header *header,
			struct tl_err *err)
{
	tl_buf_puts(&record->line, "{\"towline-recording\":1");
	put_text(record, "session", header->session);
	put_text(record, "ticket", header->ticket);
	put_text(record, "host", header->host);
	put_text(record, "engineer", header->engineer);
	put_text(record, "lane", header->lane);
	put_text(record, "recorder", header->recorder);
	tl_buf_printf(&record->line, ",\"started\":%lld",
		      (long long)(tl_clock_wall_ms(record->clock) / 1000));
	return write_line(record, err);
}

/* Reserves without changing the size that readers see; a file system that cannot is no error. */
static int reserve(int fd, uint64_t bytes, struct tl_err *err)
{
	if (bytes == 0 || fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes) == 0)
		return 0;
	if (errno == EOPNOTSUPP || errno == ENOSYS || errno == ESPIPE || errno == ENODEV)
		return 0;
	return tl_err_sys(err, TL_EIO, errno, "no room for the session's recording");
}

int tl_record_new(int fd, const struct tl_record_header *header, uint64_t reserve_bytes,
		  const struct tl_clock *clock, struct tl_record **ret_record, struct tl_err *err)
{
	struct tl_record *record = calloc(1, sizeof(*record));
	int rc;

	if (!record) {
		close(fd);
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	}
	record->fd = fd;
	record->clock = clock;
	record->start_ms = record->flushed_ms = tl_clock_mono_ms(clock);
	tl_buf_init(&record->line, TL_RECORD_LINE_MAX);
	record->hash = tl_sha256_new();
	snprintf(record->session, sizeof(record->session), "%s", header->session);
	snprintf(record->recorder, sizeof(record->recorder), "%s", header->recorder);
	rc = record->hash ? reserve(fd, reserve_bytes, err)
			  : tl_err_set(err, TL_ENOMEM, "out of memory");
	if (rc == 0)
		rc = write_header(record, header, err);
	if (rc != 0) {
		tl_record_free(record);
		return rc;
	}
	*ret_record = record;
	return 0;
}

void tl_record_set_tap(struct tl_record *record, tl_record_tap *tap, void *arg)
{
	record->tap = tap;
	record->tap_arg = arg;
}

static struct stream *stream_of(struct tl_record *record, unsigned channel)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(record->streams); i++)
		if (record->streams[i].used && record->streams[i].channel == channel)
			return &record->streams[i];
	return NULL;
}

static void stream_clear(struct stream *stream)
{
	tl_sha256_free(stream->out_hash);
	tl_sha256_free(stream->in_hash);
	tl_sftp_free(stream->sftp);
	memset(stream, 0, sizeof(*stream));
}

/* A change or a transfer of an SFTP channel. */
static int on_file(void *arg, const struct tl_sftp_event *event, struct tl_err *err)
{
	const struct stream *stream = arg;
	struct tl_record *record = stream->record;

	begin_line(record, stream->channel, "file");
	put_text(record, "op", event->op);
	put_text(record, "path", event->path);
	put_text(record, "to", event->to);
	tl_buf_printf(&record->line, ",\"ok\":%s", event->ok ? "true" : "false");
	if (event->read_bytes > 0)
		tl_buf_printf(&record->line, ",\"read_bytes\":%llu",
			      (unsigned long long)event->read_bytes);
	put_text(record, "read_sha256", event->read_sha256[0] ? event->read_sha256 : NULL);
	if (event->written_bytes > 0)
		tl_buf_printf(&record->line, ",\"written_bytes\":%llu",
			      (unsigned long long)event->written_bytes);
	put_text(record, "written_sha256", event->written_sha256[0] ? event->written_sha256 : NULL);
	return write_line(record, err);
}

static int stream_add(struct tl_record *record, unsigned channel, enum stream_kind kind,
		      struct tl_err *err)
{
	if (stream_of(record, channel))
		return tl_err_set(err, TL_EEXIST, "channel %u is recorded already", channel);
	for (size_t i = 0; i < TL_ARRAY_LEN(record->streams); i++) {
		struct stream *stream = &record->streams[i];

		if (stream->used)
			continue;
		stream->out_hash = tl_sha256_new();
		stream->in_hash = tl_sha256_new();
		if (kind == STREAM_FILES)
			stream->sftp = tl_sftp_new(on_file, stream);
		if (!stream->out_hash || !stream->in_hash ||
		    (kind == STREAM_FILES && !stream->sftp)) {
			stream_clear(stream);
			return tl_err_set(err, TL_ENOMEM, "out of memory");
		}
		stream->used = true;
		stream->record = record;
		stream->channel = channel;
		stream->kind = kind;
		stream->opened_ms = tl_clock_mono_ms(record->clock);
		return 0;
	}
	return tl_err_set(err, TL_ETOOBIG, "more than %u channels at once cannot be recorded",
			  TL_RECORD_CHANNELS_MAX);
}

int tl_record_open(struct tl_record *record, unsigned channel, const char *kind,
		   const char *command, unsigned columns, unsigned rows, struct tl_err *err)
{
	bool terminal = columns > 0 && rows > 0;
	bool files = tl_streq(kind, "subsystem") && tl_streq(command, "sftp");
	int rc = stream_add(record, channel,
			    terminal ? STREAM_TERMINAL
			    : files  ? STREAM_FILES
				     : STREAM_OTHER,
			    err);

	if (rc != 0)
		return rc;
	begin_line(record, channel, "open");
	put_text(record, "what", kind);
	put_text(record, "command", command);
	if (terminal)
		tl_buf_printf(&record->line, ",\"columns\":%u,\"rows\":%u", columns, rows);
	return write_line(record, err);
}

int tl_record_forward(struct tl_record *record, unsigned channel,
		      const struct tl_record_forward *forward, struct tl_err *err)
{
	bool opens = !forward->why && !tl_streq(forward->what, "listen");
	int rc = opens ? stream_add(record, channel, STREAM_FORWARD, err) : 0;

	if (rc != 0)
		return rc;
	begin_line(record, channel, forward->why ? "refuse" : "open");
	put_text(record, "what", forward->what);
	put_text(record, "to", forward->to);
	put_text(record, "address", forward->address);
	put_text(record, "from", forward->from);
	put_text(record, "why", forward->why);
	return write_line(record, err);
}

/* One "o" line of at most CHUNK_MAX bytes. Keeps back a character that is not complete. */
static int output_line(struct tl_record *record, struct stream *stream, const char *bytes,
		       size_t len, struct tl_err *err)
{
	char joined[CHUNK_MAX + sizeof(stream->pending)];
	size_t total = stream->pending_len + len;
	size_t rest = 0;

	memcpy(joined, stream->pending, stream->pending_len);
	memcpy(joined + stream->pending_len, bytes, len);
	begin_line(record, stream->channel, "o");
	tl_buf_puts(&record->line, ",\"d\":\"");
	tl_record_escape(&record->line, joined, total, &rest);
	tl_buf_putc(&record->line, '"');
	stream->pending_len = rest;
	memcpy(stream->pending, joined + total - rest, rest);
	return rest == total ? 0 : write_line(record, err);
}

/* Starts the write-back now and then, so that a power cut costs a second and not half a minute. */
static void flush_soon(struct tl_record *record)
{
	int64_t now_ms = tl_clock_mono_ms(record->clock);

	if (now_ms - record->flushed_ms < FLUSH_MS)
		return;
	record->flushed_ms = now_ms;
	(void)sync_file_range(record->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static int keep_output(struct tl_record *record, struct stream *stream, const char *bytes,
		       size_t len, struct tl_err *err)
{
	while (len > 0) {
		size_t part = len < CHUNK_MAX ? len : CHUNK_MAX;
		int rc = output_line(record, stream, bytes, part, err);

		if (rc != 0)
			return rc;
		bytes += part;
		len -= part;
	}
	flush_soon(record);
	return 0;
}

/* What cannot be followed cannot be recorded: the caller ends the session, and the recording says so. */
static int follow(struct tl_record *record, struct stream *stream,
		  int (*side)(struct tl_sftp *sftp, const void *bytes, size_t len,
			      struct tl_err *err),
		  const void *bytes, size_t len, struct tl_err *err)
{
	int rc = record->failed ? tl_err_set(err, record->failed, "the recording failed before")
				: side(stream->sftp, bytes, len, err);

	flush_soon(record);
	return rc;
}

static int check_failed(const struct tl_record *record, struct tl_err *err)
{
	return record->failed ? tl_err_set(err, record->failed, "the recording failed before") : 0;
}

static int output(struct tl_record *record, struct stream *stream, const void *bytes, size_t len,
		  struct tl_err *err)
{
	size_t keep = len;
	int rc;

	if (stream->kind == STREAM_FORWARD)
		return check_failed(record, err);
	if (stream->kind != STREAM_TERMINAL && stream->kept_bytes + len > TL_RECORD_KEEP_MAX)
		keep = TL_RECORD_KEEP_MAX - stream->kept_bytes;
	stream->kept_bytes += keep;
	rc = keep_output(record, stream, bytes, keep, err);
	if (rc != 0 || keep == len || stream->cut)
		return rc;
	stream->cut = true;
	return tl_record_note(record, stream->channel,
			      "the output goes on; from here only its size and hash are kept", err);
}

static int not_open(unsigned channel, struct tl_err *err)
{
	return tl_err_set(err, TL_EINVAL, "channel %u is not open in the recording", channel);
}

static void count_output(struct stream *stream, const void *bytes, size_t len)
{
	stream->out_bytes += len;
	tl_sha256_update(stream->out_hash, bytes, len);
}

int tl_record_output(struct tl_record *record, unsigned channel, const void *bytes, size_t len,
		     struct tl_err *err)
{
	struct stream *stream = stream_of(record, channel);

	if (!stream)
		return not_open(channel, err);
	count_output(stream, bytes, len);
	return stream->sftp ? follow(record, stream, tl_sftp_reply, bytes, len, err)
			    : output(record, stream, bytes, len, err);
}

int tl_record_stderr(struct tl_record *record, unsigned channel, const void *bytes, size_t len,
		     struct tl_err *err)
{
	struct stream *stream = stream_of(record, channel);

	if (!stream)
		return not_open(channel, err);
	count_output(stream, bytes, len);
	return output(record, stream, bytes, len, err);
}

int tl_record_input(struct tl_record *record, unsigned channel, const void *bytes, size_t len,
		    struct tl_err *err)
{
	struct stream *stream = stream_of(record, channel);

	if (!stream)
		return not_open(channel, err);
	stream->in_bytes += len;
	tl_sha256_update(stream->in_hash, bytes, len);
	return stream->sftp ? follow(record, stream, tl_sftp_request, bytes, len, err)
			    : check_failed(record, err);
}

int tl_record_resize(struct tl_record *record, unsigned channel, unsigned columns, unsigned rows,
		     struct tl_err *err)
{
	begin_line(record, channel, "r");
	tl_buf_printf(&record->line, ",\"columns\":%u,\"rows\":%u", columns, rows);
	return write_line(record, err);
}

int tl_record_exit(struct tl_record *record, unsigned channel, int exit_status,
		   const char *signal_name, struct tl_err *err)
{
	begin_line(record, channel, "x");
	if (signal_name)
		put_text(record, "signal", signal_name);
	else
		tl_buf_printf(&record->line, ",\"status\":%d", exit_status);
	return write_line(record, err);
}

int tl_record_note(struct tl_record *record, unsigned channel, const char *text, struct tl_err *err)
{
	begin_line(record, channel, "note");
	put_text(record, "text", text);
	return write_line(record, err);
}

static void put_digest(struct tl_record *record, const char *name, struct tl_sha256 *hash)
{
	uint8_t digest[TL_SHA256_LEN];
	char hex[TL_SHA256_HEX];

	tl_sha256_final(hash, digest);
	tl_hex_encode(digest, sizeof(digest), hex);
	put_text(record, name, hex);
}

static void put_seconds(struct tl_record *record, int64_t ms)
{
	tl_buf_printf(&record->line, ",\"seconds\":%lld.%03lld", (long long)(ms / 1000),
		      (long long)(ms % 1000));
}

int tl_record_close(struct tl_record *record, unsigned channel, struct tl_err *err)
{
	struct stream *stream = stream_of(record, channel);
	int rc = 0;

	if (!stream)
		return 0;
	if (stream->pending_len > 0) {
		begin_line(record, channel, "o");
		tl_buf_puts(&record->line, ",\"d\":\"");
		tl_record_escape(&record->line, stream->pending, stream->pending_len, NULL);
		tl_buf_putc(&record->line, '"');
		rc = write_line(record, err);
	}
	if (rc == 0 && stream->sftp)
		rc = tl_sftp_end(stream->sftp, err);
	begin_line(record, channel, "close");
	tl_buf_printf(&record->line, ",\"out_bytes\":%llu,\"in_bytes\":%llu",
		      (unsigned long long)stream->out_bytes, (unsigned long long)stream->in_bytes);
	put_digest(record, "out_sha256", stream->out_hash);
	put_digest(record, "in_sha256", stream->in_hash);
	if (stream->kind == STREAM_FORWARD)
		put_seconds(record, tl_clock_mono_ms(record->clock) - stream->opened_ms);
	stream_clear(stream);
	return rc != 0 ? rc : write_line(record, err);
}

static int sign_seal(struct tl_record *record, const struct tl_key *key, struct tl_buf *out,
		     struct tl_err *err)
{
	tl_json *claims = json_pack("{s:s,s:s,s:I,s:s,s:I}", "session", record->session, "recorder",
				    record->recorder, "lines", (json_int_t)record->lines, "sha256",
				    record->last, "iat",
				    (json_int_t)(tl_clock_wall_ms(record->clock) / 1000));

	if (!claims)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	return tl_jwt_sign(key, TL_JWT_RECORDING, claims, out, err);
}

int tl_record_seal(struct tl_record *record, const struct tl_key *key, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf jws = TL_BUF_INIT(4096);
	int rc = sign_seal(record, key, &jws, err);

	if (rc != 0)
		return rc;
	begin_line(record, 0, "seal");
	put_text(record, "jws", tl_buf_str(&jws));
	rc = write_line(record, err);
	if (rc != 0)
		return rc;
	/* Gives the reserved blocks behind the end back. */
	if (ftruncate(record->fd, (off_t)record->size) != 0 && errno != EINVAL)
		return tl_err_sys(err, TL_EIO, errno, "the recording cannot be trimmed");
	if (fdatasync(record->fd) != 0 && errno != EINVAL && errno != EROFS)
		return tl_err_sys(err, TL_EIO, errno, "the recording cannot be made durable");
	return 0;
}

void tl_record_free(struct tl_record *record)
{
	if (!record)
		return;
	for (size_t i = 0; i < TL_ARRAY_LEN(record->streams); i++)
		stream_clear(&record->streams[i]);
	tl_buf_clear(&record->line);
	tl_sha256_free(record->hash);
	close(record->fd);
	free(record);
}
