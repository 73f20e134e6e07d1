#include "redact/reveal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <towline/fs.h>

#include "redact/identity_key.h"
#include "redact/identity_map.h"

#define PIECE (64 * 1024)
#define LINE_MAX_BYTES (1024 * 1024) /* a longer line is taken in pieces */

static int print(const struct tl_identity_map *map, const char *text, size_t len,
		 struct tl_err *err)
{
	/* An original is at most a name long, a pseudonym at least seven bytes. */
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_SECRET_INIT(64 * (len + 64));

	tl_identity_map_reveal(map, text, len, &out);
	if (tl_buf_check(&out) < 0)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the text");
	return tl_fs_write_all(STDOUT_FILENO, tl_buf_str(&out), out.len, err);
}

/* How much of the held text can be shown: whole lines, or all of a line that is too long. */
static size_t ready_bytes(const struct tl_buf *held)
{
	const char *newline = held->len ? memrchr(held->data, '\n', held->len) : NULL;

	if (newline)
		return (size_t)(newline - held->data) + 1;
	return held->len >= LINE_MAX_BYTES - PIECE ? held->len : 0;
}

static int filter(const struct tl_identity_map *map, int fd, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf held = TL_BUF_SECRET_INIT(LINE_MAX_BYTES);
	int r = 0;

	while (r == 0) {
		char *piece = tl_buf_reserve(&held, PIECE);
		ssize_t len = piece ? read(fd, piece, PIECE) : 0;
		size_t ready;

		if (!piece)
			return tl_err_set(err, TL_ENOMEM, "out of memory for the text");
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return tl_err_sys(err, TL_EIO, errno, "the text cannot be read");
		if (len == 0)
			return print(map, tl_buf_str(&held), held.len, err);
		tl_buf_commit(&held, (size_t)len);
		ready = ready_bytes(&held);
		r = print(map, tl_buf_str(&held), ready, err);
		tl_buf_consume(&held, ready);
	}
	return r;
}

static int filter_file(const struct tl_identity_map *map, const char *path, struct tl_err *err)
{
	tl_fd int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
					      : open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? tl_err_sys(err, TL_EIO, errno, "%s cannot be opened", path)
		      : filter(map, fd, err);
}

static int reveal_words(const struct tl_identity_map *map, const struct tl_cli *cli,
			struct tl_err *err)
{
	const char *unknown = NULL;

	for (size_t i = 0; i < tl_cli_operand_count(cli); i++) {
		tl_auto(tl_buf) struct tl_buf line = TL_BUF_SECRET_INIT(64 * 1024);
		const char *word = tl_cli_operand(cli, i);
		int r;

		tl_identity_map_reveal(map, word, strlen(word), &line);
		if (tl_streq(tl_buf_str(&line), word)) {
			unknown = unknown ? unknown : word;
			continue;
		}
		tl_buf_putc(&line, '\n');
		r = tl_fs_write_all(STDOUT_FILENO, tl_buf_str(&line), line.len, err);
		if (r < 0)
			return r;
	}
	return unknown ? tl_err_set(err, TL_ENOENT,
				    "%s is no pseudonym that was given on this machine", unknown)
		       : 0;
}

int redact_reveal(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_identity_map) struct tl_identity_map *map = NULL;
	const char *state = tl_cli_get(cli, "state"), *file = tl_cli_get(cli, "bundle-text");
	const char *first = tl_cli_operand(cli, 0);
	char own[PATH_MAX];
	int r;

	if (!file && tl_streq(first, "-") && tl_cli_operand_count(cli) == 1)
		file = first;
	if (!file && !first)
		return tl_err_set(err, TL_EUSAGE, "name a pseudonym, or - for a text");
	if (file && first && file != first)
		return tl_err_set(err, TL_EUSAGE, "name pseudonyms or a text, not both");
	if (!state) {
		r = tl_identity_state_dir(own, err);
		if (r < 0)
			return r;
		state = own;
	}
	r = tl_identity_map_load(state, &map, err);
	if (r < 0)
		return r;
	return file ? filter_file(map, file, err) : reveal_words(map, cli, err);
}
