#include "collect/parameter.h"

#include <string.h>
#include <towline/str.h>

#define NAME_MAX_LEN 16

/* Beside letters and digits. Nothing begins with '-' or '.': it would be an option or a way out. */
static const struct {
	const char *name, *more, *example;
} parameters[] = {
	{"container", "_.-", "web-1"},	{"device", "_.-", "sda or dm-0"},
	{"interface", "_.:@-", "eth0"}, {"unit", "_.:@-\\", "nginx.service"},
	{"user", "_.@-", "somebody"},
};

static size_t find(const char *name, size_t len)
{
	size_t i = 0;

	while (i < TL_ARRAY_LEN(parameters) &&
	       (strlen(parameters[i].name) != len || strncmp(parameters[i].name, name, len) != 0))
		i++;
	return i;
}

bool parameter_is_known(const char *name)
{
	return find(name, strlen(name)) < TL_ARRAY_LEN(parameters);
}

static bool is_alphanumeric(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int parameter_check(const char *name, const char *value, struct tl_err *err)
{
	size_t at = find(name, strlen(name)), len = strlen(value);
	bool good = len > 0 && len <= PARAMETER_VALUE_MAX && value[0] != '-' && value[0] != '.';

	if (at == TL_ARRAY_LEN(parameters))
		return tl_err_set(err, TL_EINTERNAL, "nobody knows the parameter \"%s\"", name);
	for (size_t i = 0; good && i < len; i++)
		good = is_alphanumeric(value[i]) || strchr(parameters[at].more, value[i]);
	return good ? 0
		    : tl_err_set(err, TL_EINVAL, "\"%.64s\" is no %s: write, for example, %s",
				 value, name, parameters[at].example);
}

/* The length of the name in "{name}"; 0 where `text` begins with none. */
static size_t name_len(const char *text)
{
	size_t len = strspn(text + 1, "abcdefghijklmnopqrstuvwxyz");

	return len > 0 && len <= NAME_MAX_LEN && text[len + 1] == '}' ? len : 0;
}

int parameter_find(const char *text, const char **ret_name, struct tl_err *err)
{
	*ret_name = NULL;
	for (const char *at = strchr(text, '{'); at; at = strchr(at + 1, '{')) {
		size_t len = at > text && at[-1] == '{' ? 0 : name_len(at);
		size_t found = len ? find(at + 1, len) : 0;

		if (len == 0)
			continue;
		if (found == TL_ARRAY_LEN(parameters))
			return tl_err_set(
				err, TL_EINVAL,
				"nobody knows what {%.*s} is: choose {unit}, {container}, "
				"{device}, {interface} or {user}",
				(int)len, at + 1);
		*ret_name = parameters[found].name;
	}
	return 0;
}

void parameter_fill(const char *text, const struct parameter *parameter, struct tl_buf *out)
{
	while (*text) {
		size_t len = *text == '{' ? name_len(text) : 0;

		if (len && strlen(parameter->name) == len &&
		    strncmp(parameter->name, text + 1, len) == 0) {
			tl_buf_puts(out, parameter->value);
			text += len + 2;
			continue;
		}
		tl_buf_putc(out, *text++);
	}
}
