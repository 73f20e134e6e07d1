#include "redact/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <towline/fs.h>

#include "redact/redact.h"

#define PIECE (256 * 1024)

static int to_stdout(void *arg TL_UNUSED, const void *bytes, size_t len, struct tl_err *err)
{
	return tl_fs_write_all(STDOUT_FILENO, bytes, len, err);
}

static int open_input(const char *path, int *ret_fd, struct tl_err *err)
{
	int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
					: open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return tl_err_sys(err, TL_EIO, errno, "%s cannot be opened", path);
	*ret_fd = fd;
	return 0;
}

static int filter(struct tl_redactor *redactor, int fd, const char *path, struct tl_err *err)
{
	tl_free char *piece = malloc(PIECE);
	int r = 0;

	if (!piece)
		return tl_err_set(err, TL_ENOMEM, "out of memory for redaction");
	tl_redactor_begin(redactor, to_stdout, NULL);
	while (r == 0) {
		ssize_t len = read(fd, piece, PIECE);

		if (len < 0 && errno != EINTR)
			return tl_err_sys(err, TL_EIO, errno, "%s cannot be read", path);
		if (len == 0)
			return tl_redactor_flush(redactor, err);
		if (len > 0)
			r = tl_redactor_feed(redactor, piece, (size_t)len, err);
	}
	return r;
}

static int write_report(const struct tl_redactor *redactor, const char *path, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(256 * 1024);
	tl_json *counts = json_object();

	tl_redactor_report(redactor, counts);
	tl_json_write(&text, counts);
	tl_buf_putc(&text, '\n');
	return tl_fs_write_file(AT_FDCWD, path, 0644, text.data, text.len, err);
}

int redact_filter(const struct tl_cli *cli, struct tl_err *err)
{
	static const struct tl_redact_sources sources = {.site_dir = NULL};
	tl_auto(tl_redact_rules) struct tl_redact_rules *rules = NULL;
	tl_auto(tl_redactor) struct tl_redactor *redactor = NULL;
	const char *path = tl_cli_operand(cli, 0);
	tl_fd int fd = -1;
	int r = open_input(path, &fd, err);

	if (r == 0)
		r = tl_redact_rules_open(&sources, &rules, err);
	if (r == 0)
		r = tl_redactor_new(rules, &tl_redact_limits_default, &redactor, err);
	if (r == 0)
		r = filter(redactor, fd, path, err);
	if (r == 0 && tl_cli_has(cli, "report"))
		r = write_report(redactor, tl_cli_get(cli, "report"), err);
	return r;
}
