#include "conf_value.h"

#include <inttypes.h>
#include <string.h>

#define ITEM_MAX 4096
#define TEXT_MAX_DEFAULT 4096

static void *field_of(const struct tl_conf_key *key, void *config)
{
	return (char *)config + key->offset;
}

static void put_duration(struct tl_buf *out, int64_t ms)
{
	static const struct {
		int64_t ms;
		const char *unit;
	} units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
	size_t i = 0;

	while (i + 1 < TL_ARRAY_LEN(units) && (ms == 0 || ms % units[i].ms))
		i++;
	tl_buf_printf(out, "%" PRId64 "%s", ms / units[i].ms, units[i].unit);
}

static void put_size(struct tl_buf *out, int64_t bytes)
{
	static const char units[] = {'K', 'M', 'G', 'T'};
	int unit = -1;

	for (; unit < 3 && bytes >= 1024 && bytes % 1024 == 0; unit++)
		bytes /= 1024;
	tl_buf_printf(out, "%" PRId64, bytes);
	if (unit >= 0)
		tl_buf_putc(out, units[unit]);
}

static void put_number(struct tl_buf *out, int64_t number)
{
	tl_buf_printf(out, "%" PRId64, number);
}

static void put_range(struct tl_buf *out, const struct tl_conf_key *key,
		      void (*put)(struct tl_buf *out, int64_t value))
{
	if (key->min == 0 && key->max == 0)
		return;
	tl_buf_puts(out, " from ");
	put(out, key->min);
	tl_buf_puts(out, " to ");
	put(out, key->max);
}

static void put_choices(struct tl_buf *out, const struct tl_conf_key *key)
{
	tl_buf_puts(out, "one of ");
	for (size_t i = 0; key->choices[i]; i++)
		tl_buf_printf(out, "%s%s", i ? ", " : "", key->choices[i]);
}

void conf_value_describe(const struct tl_conf_key *key, struct tl_buf *out)
{
	switch (key->type) {
	case TL_CONF_TEXT:
		tl_buf_printf(out, "text of at most %" PRId64 " bytes",
			      key->max ? key->max : TEXT_MAX_DEFAULT);
		break;
	case TL_CONF_PATH:
		tl_buf_puts(out, "a path");
		break;
	case TL_CONF_INT:
		tl_buf_puts(out, "a number");
		put_range(out, key, put_number);
		break;
	case TL_CONF_BOOL:
		tl_buf_puts(out, "true or false");
		break;
	case TL_CONF_DURATION:
		tl_buf_puts(out, "a duration (such as 90s, 15m or 8h)");
		put_range(out, key, put_duration);
		break;
	case TL_CONF_SIZE:
		tl_buf_puts(out, "a size (such as 64K or 2G)");
		put_range(out, key, put_size);
		break;
	case TL_CONF_CHOICE:
		put_choices(out, key);
		break;
	case TL_CONF_LIST:
		tl_buf_puts(out, "a list");
		if (key->max)
			tl_buf_printf(out, " of at most %" PRId64 " items", key->max);
		break;
	}
}

static int refuse(const struct tl_conf_key *key, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf wanted = TL_BUF_INIT(1024);

	conf_value_describe(key, &wanted);
	return tl_err_set(err, TL_ECONFIG, "%s must be %s", key->name, tl_buf_str(&wanted));
}

static int set_text(const struct tl_conf_key *key, const char *text, char **field,
		    struct tl_err *err)
{
	size_t max = key->max ? (size_t)key->max : TEXT_MAX_DEFAULT;
	char *copy;

	if (strlen(text) > max || strlen(text) < (size_t)key->min)
		return refuse(key, err);
	copy = strdup(text);
	if (!copy)
		return tl_err_set(err, TL_ENOMEM, "%s: out of memory", key->name);
	free(*field);
	*field = copy;
	return 0;
}

static int set_path(const struct tl_conf_key *key, const char *dir, const char *text, char **field,
		    struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(ITEM_MAX);

	/* An empty path stands for "none" and stays so. */
	if (*text && *text != '/')
		tl_buf_printf(&path, "%s/", dir);
	tl_buf_puts(&path, text);
	if (tl_buf_check(&path))
		return tl_err_set(err, TL_ECONFIG, "%s is longer than %d bytes", key->name,
				  ITEM_MAX);
	free(*field);
	*field = tl_buf_take(&path);
	return *field ? 0 : tl_err_set(err, TL_ENOMEM, "%s: out of memory", key->name);
}

static bool is_in_range(const struct tl_conf_key *key, int64_t value)
{
	return (key->min == 0 && key->max == 0) || (value >= key->min && value <= key->max);
}

static int set_choice(const struct tl_conf_key *key, const char *text, int *field,
		      struct tl_err *err)
{
	for (int i = 0; key->choices[i]; i++)
		if (strcmp(key->choices[i], text) == 0) {
			*field = i;
			return 0;
		}
	return refuse(key, err);
}

static int set_number(const struct tl_conf_key *key, const char *text, void *field,
		      struct tl_err *err)
{
	uint64_t bytes = 0;
	int64_t value = 0;
	int outcome;

	if (key->type == TL_CONF_SIZE)
		outcome = tl_str_size(text, &bytes);
	else if (key->type == TL_CONF_DURATION)
		outcome = tl_str_duration_ms(text, &value);
	else
		outcome = tl_str_i64(text, INT64_MIN, INT64_MAX, &value);
	if (key->type == TL_CONF_SIZE)
		value = (int64_t)bytes;
	if (outcome || !is_in_range(key, value))
		return refuse(key, err);
	memcpy(field, &value, sizeof value);
	return 0;
}

int conf_value_set(const struct tl_conf_key *key, const char *dir, const char *text, void *config,
		   struct tl_err *err)
{
	void *field = field_of(key, config);

	switch (key->type) {
	case TL_CONF_TEXT:
		return set_text(key, text, field, err);
	case TL_CONF_PATH:
		return set_path(key, dir, text, field, err);
	case TL_CONF_BOOL:
		if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
			return refuse(key, err);
		*(bool *)field = *text == 't';
		return 0;
	case TL_CONF_CHOICE:
		return set_choice(key, text, field, err);
	case TL_CONF_INT:
	case TL_CONF_DURATION:
	case TL_CONF_SIZE:
		return set_number(key, text, field, err);
	case TL_CONF_LIST:
		break;
	}
	return refuse(key, err);
}

int conf_value_add(const struct tl_conf_key *key, const char *text, void *config,
		   struct tl_err *err)
{
	struct tl_strv *list = field_of(key, config);

	if (strlen(text) > ITEM_MAX)
		return tl_err_set(err, TL_ECONFIG, "an item of %s is longer than %d bytes",
				  key->name, ITEM_MAX);
	if (key->max && list->count >= (size_t)key->max)
		return refuse(key, err);
	if (tl_strv_push(list, text))
		return tl_err_set(err, TL_ENOMEM, "%s: out of memory", key->name);
	return 0;
}

static int set_default_list(const struct tl_conf_key *key, void *config, struct tl_err *err)
{
	const char *at = key->default_text;

	while (*at) {
		size_t len = strcspn(at, ",");
		tl_free char *item = strndup(at, len);
		int outcome = item ? conf_value_add(key, item, config, err) : TL_ENOMEM;

		if (outcome)
			return outcome;
		at += len + (at[len] == ',');
		at += strspn(at, " ");
	}
	return 0;
}

int conf_value_set_default(const struct tl_conf_key *key, const char *dir, void *config,
			   struct tl_err *err)
{
	if (key->type == TL_CONF_LIST)
		return set_default_list(key, config, err);
	return conf_value_set(key, dir, key->default_text, config, err);
}

void conf_value_clear(const struct tl_conf_key *key, void *config)
{
	void *field = field_of(key, config);

	if (key->type == TL_CONF_TEXT || key->type == TL_CONF_PATH) {
		free(*(char **)field);
		*(char **)field = NULL;
	} else if (key->type == TL_CONF_LIST) {
		tl_strv_clear(field);
	}
}
