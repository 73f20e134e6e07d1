#include "record_sftp.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <towline/buf.h>
#include <towline/sshkey.h>
#include <towline/str.h>

#include "record_sftp_file.h"

/* Packet types (draft-ietf-secsh-filexfer-02, section 3). */
enum {
	INIT = 1,
	VERSION = 2,
	OPEN = 3,
	CLOSE = 4,
	READ = 5,
	WRITE = 6,
	FSETSTAT = 10,
	OPENDIR = 11,
	EXTENDED = 200,
	STATUS = 101,
	HANDLE = 102,
	DATA = 103
};

/* Requests that change something and name paths, and what they are called. OpenSSH's server takes the two
 * paths of a symlink in the other order than the draft says (openssh/PROTOCOL, section 4.1). */
static const struct path_request {
	const char *extension; /* of EXTENDED */
	const char *op;
	unsigned paths;
	uint8_t type;
} path_requests[] = {
	{NULL, "attributes", 1, 9},
	{NULL, "remove", 1, 13},
	{NULL, "mkdir", 1, 14},
	{NULL, "rmdir", 1, 15},
	{NULL, "rename", 2, 18},
	{NULL, "symlink", 2, 20},
	{"posix-rename@openssh.com", "rename", 2, EXTENDED},
	{"hardlink@openssh.com", "link", 2, EXTENDED},
	{"lsetstat@openssh.com", "attributes", 1, EXTENDED},
};

/* Extensions that only look; any other one is an event, so that nothing new passes unseen. */
static const char *const quiet_extensions[] = {
	"statvfs@openssh.com",
	"fstatvfs@openssh.com",
	"fsync@openssh.com",
	"limits@openssh.com",
	"expand-path@openssh.com",
	"home-directory",
	"users-groups-by-id@openssh.com",
};

/* A request whose answer will tell how it went. */
struct pending {
	struct pending *next;
	uint32_t id;
	uint8_t type;
	const char *op;
	char *path, *to;
	struct tl_sftp_file *file; /* of CLOSE, READ, WRITE */
	uint64_t offset;	   /* of READ */
};

struct tl_sftp {
	tl_sftp_on_event *on_event;
	void *arg;
	struct tl_buf requests, replies; /* packets that have not come whole */
	struct tl_sftp_files files;
	struct pending *pending, **pending_end;
	size_t pending_count;
};

/* ---- life -------------------------------------------------------------------------------------- */

static void pending_free(struct pending *pending)
{
	free(pending->path);
	free(pending->to);
	free(pending);
}

struct tl_sftp *tl_sftp_new(tl_sftp_on_event *on_event, void *arg)
{
	struct tl_sftp *sftp = calloc(1, sizeof *sftp);

	if (!sftp)
		return NULL;
	sftp->on_event = on_event;
	sftp->arg = arg;
	sftp->pending_end = &sftp->pending;
	tl_buf_init(&sftp->requests, TL_SFTP_PACKET_MAX + 4);
	tl_buf_init(&sftp->replies, TL_SFTP_PACKET_MAX + 4);
	return sftp;
}

void tl_sftp_free(struct tl_sftp *sftp)
{
	if (!sftp)
		return;
	while (sftp->files.first)
		tl_sftp_file_remove(&sftp->files, sftp->files.first);
	while (sftp->pending) {
		struct pending *pending = sftp->pending;

		sftp->pending = pending->next;
		pending_free(pending);
	}
	tl_buf_clear(&sftp->requests);
	tl_buf_clear(&sftp->replies);
	free(sftp);
}

static int broken(struct tl_err *err)
{
	return tl_err_set(err, TL_EPROTO, "the file transfer does not follow SFTP version 3");
}

/* ---- transfers ---------------------------------------------------------------------------- */

/* No request may point to a file that is closed. */
static void forget(struct tl_sftp *sftp, struct tl_sftp_file *file)
{
	for (struct pending *pending = sftp->pending; pending; pending = pending->next)
		if (pending->file == file)
			pending->file = NULL;
	tl_sftp_file_remove(&sftp->files, file);
}

static int tell_transfer(struct tl_sftp *sftp, struct tl_sftp_file *file, bool ok,
			 struct tl_err *err)
{
	struct tl_sftp_event event = {
		.op = "transfer",
		.path = file->path,
		.ok = ok && !file->failed,
		.read_bytes = file->read.bytes,
		.written_bytes = file->written.bytes,
	};

	if (file->directory)
		return 0;
	tl_sftp_flow_digest(&file->read, event.read_sha256);
	tl_sftp_flow_digest(&file->written, event.written_sha256);
	return sftp->on_event(sftp->arg, &event, err);
}

/* ---- requests ---------------------------------------------------------------------------------- */

static int take_path(struct tl_ssh_reader *reader, char **ret_path)
{
	struct tl_ssh_string text = tl_ssh_read_string(reader);

	if (reader->bad || text.len > PATH_MAX || memchr(text.bytes, '\0', text.len))
		return TL_EPROTO;
	*ret_path = strndup((const char *)text.bytes, text.len);
	return *ret_path ? 0 : TL_ENOMEM;
}

static const struct path_request *find_path_request(uint8_t type, struct tl_ssh_string extension)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(path_requests); i++)
		if (path_requests[i].type == type &&
		    (type != EXTENDED || tl_ssh_string_is(extension, path_requests[i].extension)))
			return &path_requests[i];
	return NULL;
}

static bool is_quiet(struct tl_ssh_string extension)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(quiet_extensions); i++)
		if (tl_ssh_string_is(extension, quiet_extensions[i]))
			return true;
	return false;
}

/* The file that a request names. A client that guesses the handle of a file whose opening is not answered
 * yet, or that goes on with one that it closes, would have bytes pass unseen: TL_EPROTO. */
static int take_file(struct tl_sftp *sftp, struct tl_ssh_reader *reader,
		     struct tl_sftp_file **ret_file)
{
	*ret_file = tl_sftp_file_find(&sftp->files, tl_ssh_read_string(reader));
	return *ret_file ? 0 : TL_EPROTO;
}

static int read_extended(struct tl_sftp *sftp, struct pending *request,
			 struct tl_ssh_string extension, struct tl_ssh_reader *reader)
{
	char name[128];

	if (is_quiet(extension))
		return 0;
	request->op = "extended";
	if (tl_ssh_string_is(extension, "copy-data")) {
		struct tl_sftp_file *source, *target;
		int r = take_file(sftp, reader, &source);

		(void)(tl_ssh_read_u64(reader) + tl_ssh_read_u64(reader));
		r = r ? r : take_file(sftp, reader, &target);
		if (r < 0)
			return r;
		target->written.broken = true; /* bytes that never pass here */
		request->op = "copy";
		request->path = strdup(source->path);
		request->to = strdup(target->path);
		return request->path && request->to ? 0 : TL_ENOMEM;
	}
	if (!tl_ssh_string_text(extension, name, sizeof name))
		return TL_EPROTO;
	request->path = strdup(name);
	return request->path ? 0 : TL_ENOMEM;
}

/* Fills the request from what follows type and id. */
static int read_request(struct tl_sftp *sftp, struct pending *request, struct tl_ssh_reader *reader)
{
	struct tl_ssh_string extension = {.bytes = (const uint8_t *)""};
	const struct path_request *row;
	int r = 0;

	if (request->type == EXTENDED)
		extension = tl_ssh_read_string(reader);
	row = find_path_request(request->type, extension);
	if (row) {
		request->op = row->op;
		r = take_path(reader, &request->path);
		return r == 0 && row->paths == 2 ? take_path(reader, &request->to) : r;
	}
	switch (request->type) {
	case OPEN:
	case OPENDIR:
		request->op = request->type == OPEN ? "open" : "list";
		return take_path(reader, &request->path);
	case FSETSTAT:
		request->op = "attributes";
		r = take_file(sftp, reader, &request->file);
		if (r == 0 && !(request->path = strdup(request->file->path)))
			r = TL_ENOMEM;
		return r;
	case CLOSE:
		r = take_file(sftp, reader, &request->file);
		if (r == 0)
			request->file->closing = true;
		return r;
	case READ:
		r = take_file(sftp, reader, &request->file);
		request->offset = tl_ssh_read_u64(reader);
		return r;
	case WRITE:
		r = take_file(sftp, reader, &request->file);
		request->offset = tl_ssh_read_u64(reader);
		if (r == 0)
			tl_sftp_flow_add(&request->file->written, request->offset,
					 tl_ssh_read_string(reader));
		return r;
	case EXTENDED:
		return read_extended(sftp, request, extension, reader);
	default:
		return 0; /* looks, and changes nothing */
	}
}

static int on_request(struct tl_sftp *sftp, struct tl_ssh_reader *reader, struct tl_err *err)
{
	struct pending *request;
	uint8_t type = tl_ssh_read_u8(reader);
	int r;

	if (type == INIT)
		return 0;
	if (sftp->pending_count == TL_SFTP_PENDING_MAX)
		return tl_err_set(err, TL_ETOOBIG, "more than %d file requests wait for answers",
				  TL_SFTP_PENDING_MAX);
	request = calloc(1, sizeof *request);
	if (!request)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	request->type = type;
	request->id = tl_ssh_read_u32(reader);
	r = read_request(sftp, request, reader);
	if (r < 0 || reader->bad) {
		pending_free(request);
		return r == TL_ENOMEM ? tl_err_set(err, r, "out of memory") : broken(err);
	}
	*sftp->pending_end = request;
	sftp->pending_end = &request->next;
	sftp->pending_count++;
	return 0;
}

/* ---- replies ----------------------------------------------------------------------------------- */

/* Takes the request that the reply answers off the list; NULL for none. */
static struct pending *take_pending(struct tl_sftp *sftp, uint32_t id)
{
	struct pending **link = &sftp->pending, *found;

	while (*link && (*link)->id != id)
		link = &(*link)->next;
	found = *link;
	if (!found)
		return NULL;
	*link = found->next;
	if (!*link)
		sftp->pending_end = link;
	sftp->pending_count--;
	return found;
}

static int tell(struct tl_sftp *sftp, const struct pending *request, bool ok, struct tl_err *err)
{
	struct tl_sftp_event event = {
		.op = request->op,
		.path = request->path ? request->path : "",
		.to = request->to,
		.ok = ok,
	};

	return sftp->on_event(sftp->arg, &event, err);
}

static int on_status(struct tl_sftp *sftp, struct pending *request, bool ok, struct tl_err *err)
{
	int r = 0;

	if (request->type == CLOSE && request->file) {
		r = tell_transfer(sftp, request->file, ok, err);
		forget(sftp, request->file);
		return r;
	}
	if (request->type == WRITE && request->file)
		request->file->failed |= !ok;
	return request->op ? tell(sftp, request, ok, err) : 0;
}

/* The file takes over the request's path. */
static int open_file(struct tl_sftp *sftp, struct pending *request, struct tl_ssh_string handle,
		     struct tl_err *err)
{
	int r = tl_sftp_file_add(&sftp->files, handle, request->path, request->type == OPENDIR);

	if (r == 0)
		request->path = NULL;
	if (r == TL_EPROTO)
		return broken(err);
	return r < 0 ? tl_err_set(err, r, "no more files can be followed at once (%d)",
				  TL_SFTP_HANDLES_MAX)
		     : 0;
}

static int answer(struct tl_sftp *sftp, struct pending *request, uint8_t type,
		  struct tl_ssh_reader *reader, struct tl_err *err)
{
	bool opens = request->type == OPEN || request->type == OPENDIR;
	int r;

	switch (type) {
	case STATUS:
		return on_status(sftp, request, tl_ssh_read_u32(reader) == 0, err);
	case HANDLE:
		if (!opens)
			return broken(err);
		/* a file is told when it is closed, with what went through */
		r = request->type == OPENDIR ? tell(sftp, request, true, err) : 0;
		return r < 0 ? r : open_file(sftp, request, tl_ssh_read_string(reader), err);
	case DATA:
		if (request->type != READ)
			return broken(err);
		if (request->file)
			tl_sftp_flow_add(&request->file->read, request->offset,
					 tl_ssh_read_string(reader));
		return 0;
	default:
		return request->op ? tell(sftp, request, true, err) : 0;
	}
}

static int on_reply(struct tl_sftp *sftp, struct tl_ssh_reader *reader, struct tl_err *err)
{
	uint8_t type = tl_ssh_read_u8(reader);
	struct pending *request;
	int r;

	if (type == VERSION)
		return 0;
	request = take_pending(sftp, tl_ssh_read_u32(reader));
	if (!request)
		return broken(err);
	r = answer(sftp, request, type, reader, err);
	pending_free(request);
	return r == 0 && reader->bad ? broken(err) : r;
}

/* ---- packets ----------------------------------------------------------------------------------- */

typedef int packet_handler(struct tl_sftp *sftp, struct tl_ssh_reader *reader, struct tl_err *err);

/* Handles the packets that stand whole at `bytes`; returns how many bytes that were, or a fault. */
static ssize_t take_packets(struct tl_sftp *sftp, packet_handler *handler, const uint8_t *bytes,
			    size_t len, struct tl_err *err)
{
	size_t used = 0;

	while (len - used >= 4) {
		struct tl_ssh_reader head = {.at = bytes + used, .left = 4};
		uint32_t size = tl_ssh_read_u32(&head);
		struct tl_ssh_reader packet = {.at = bytes + used + 4, .left = size};
		int r;

		if (size == 0 || size > TL_SFTP_PACKET_MAX)
			return broken(err);
		if (len - used - 4 < size)
			break;
		r = handler(sftp, &packet, err);
		if (r < 0)
			return r;
		used += 4 + (size_t)size;
	}
	return (ssize_t)used;
}

/* How many more bytes the packet that begins in `held` wants before it can be handled. */
static size_t missing(const struct tl_buf *held)
{
	struct tl_ssh_reader head = {.at = (const uint8_t *)held->data, .left = 4};
	size_t want = 4;

	if (held->len >= 4)
		want += tl_ssh_read_u32(&head);
	return want > TL_SFTP_PACKET_MAX + 4 ? 0 : want - held->len;
}

static int feed(struct tl_sftp *sftp, packet_handler *handler, struct tl_buf *held,
		struct tl_ssh_string bytes, struct tl_err *err)
{
	ssize_t used;

	while (held->len > 0 && bytes.len > 0) {
		size_t want = missing(held), part = want < bytes.len ? want : bytes.len;

		if (want == 0)
			return broken(err);
		tl_buf_append(held, bytes.bytes, part);
		bytes.bytes += part;
		bytes.len -= part;
		if (tl_buf_check(held))
			return tl_err_set(err, TL_ENOMEM, "out of memory");
		used = take_packets(sftp, handler, (const uint8_t *)held->data, held->len, err);
		if (used < 0)
			return (int)used;
		tl_buf_consume(held, (size_t)used);
	}
	used = take_packets(sftp, handler, bytes.bytes, bytes.len, err);
	if (used < 0)
		return (int)used;
	tl_buf_append(held, bytes.bytes + used, bytes.len - (size_t)used);
	return tl_buf_check(held) ? tl_err_set(err, TL_ENOMEM, "out of memory") : 0;
}

int tl_sftp_request(struct tl_sftp *sftp, const void *bytes, size_t len, struct tl_err *err)
{
	return feed(sftp, on_request, &sftp->requests, (struct tl_ssh_string){bytes, len}, err);
}

int tl_sftp_reply(struct tl_sftp *sftp, const void *bytes, size_t len, struct tl_err *err)
{
	return feed(sftp, on_reply, &sftp->replies, (struct tl_ssh_string){bytes, len}, err);
}

int tl_sftp_end(struct tl_sftp *sftp, struct tl_err *err)
{
	while (sftp->files.first) {
		int r = tell_transfer(sftp, sftp->files.first, false, err);

		forget(sftp, sftp->files.first);
		if (r < 0)
			return r;
	}
	return 0;
}
