#include <towline/err.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct error_row {
	const char *name;
	const char *text;
	int exit_status;
};

static const struct error_row error_rows[] = {
#define ERROR_ROW(name, code, status, text) [code] = {#name, text, status},
	TL_ERRORS(ERROR_ROW)
#undef ERROR_ROW
};

static const struct error_row *find_row(int code)
{
	if (code >= 0 || code <= -(int)TL_ARRAY_LEN(error_rows))
		return NULL;
	return &error_rows[-code];
}

/* Sentences carry names that came from outside: no control character reaches a terminal or a log.
 */
static void blank_controls(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

TL_PRINTF(4, 0)
static void write_text(struct tl_err *err, int code, int sys_errno, const char *format,
		       va_list args)
{
	err->code = code;
	err->sys_errno = sys_errno;
	if (vsnprintf(err->text, sizeof err->text, format, args) < 0)
		err->text[0] = '\0';
	blank_controls(err->text);
}

int tl_err_set(struct tl_err *err, int code, const char *format, ...)
{
	va_list args;

	if (!err)
		return code;
	va_start(args, format);
	write_text(err, code, 0, format, args);
	va_end(args);
	return code;
}

static int code_of_errno(int code, int sys_errno)
{
	if (sys_errno == ENOSPC || sys_errno == EDQUOT)
		return TL_ENOSPC;
	if (code != TL_EIO)
		return code;
	if (sys_errno == EACCES || sys_errno == EPERM)
		return TL_EACCES;
	return sys_errno == ENOENT ? TL_ENOENT : code;
}

int tl_err_sys(struct tl_err *err, int code, int sys_errno, const char *format, ...)
{
	va_list args;
	size_t len;

	code = code_of_errno(code, sys_errno);
	if (!err)
		return code;
	va_start(args, format);
	write_text(err, code, sys_errno, format, args);
	va_end(args);
	len = strlen(err->text);
	snprintf(err->text + len, sizeof err->text - len, ": %s", strerrordesc_np(sys_errno));
	return code;
}

int tl_err_prefix(struct tl_err *err, const char *format, ...)
{
	char old[TL_ERR_TEXT_MAX];
	va_list args;
	size_t len;

	if (!err)
		return TL_EINTERNAL;
	memcpy(old, tl_err_text(err), strlen(tl_err_text(err)) + 1);
	va_start(args, format);
	write_text(err, err->code, err->sys_errno, format, args);
	va_end(args);
	len = strlen(err->text);
	snprintf(err->text + len, sizeof err->text - len, ": %s", old);
	return err->code;
}

const char *tl_err_name(int code)
{
	const struct error_row *row = find_row(code);

	return row ? row->name : "unknown";
}

int tl_err_by_name(const char *name)
{
	for (size_t i = 1; i < TL_ARRAY_LEN(error_rows); i++)
		if (strcmp(error_rows[i].name, name) == 0)
			return -(int)i;
	return 0;
}

const char *tl_err_str(int code)
{
	const struct error_row *row = find_row(code);

	return row ? row->text : "unknown error";
}

const char *tl_err_text(const struct tl_err *err)
{
	return err->text[0] ? err->text : tl_err_str(err->code);
}

int tl_err_exit_status(int code)
{
	const struct error_row *row = find_row(code);

	if (code == 0)
		return 0;
	return row ? row->exit_status : 70;
}
