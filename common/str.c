#include <towline/str.h>

#include <towline/err.h>

bool tl_str_starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool tl_str_ends(const char *text, const char *suffix)
{
	size_t text_len = strlen(text), suffix_len = strlen(suffix);

	return text_len >= suffix_len && strcmp(text + text_len - suffix_len, suffix) == 0;
}

/* Reads digits up to the first other byte; returns where it stands, NULL without digits or beyond
 * `max`. */
static const char *read_digits(const char *text, uint64_t max, uint64_t *ret_value)
{
	uint64_t value = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++) {
		unsigned digit = (unsigned)(*at - '0');

		if (value > (max - digit) / 10 || digit > max)
			return NULL;
		value = value * 10 + digit;
	}
	if (at == text)
		return NULL;
	*ret_value = value;
	return at;
}

int tl_str_u64(const char *text, uint64_t max, uint64_t *ret_value)
{
	uint64_t value;
	const char *rest = read_digits(text, max, &value);

	if (!rest || *rest)
		return TL_EINVAL;
	*ret_value = value;
	return 0;
}

int tl_str_i64(const char *text, int64_t min, int64_t max, int64_t *ret_value)
{
	bool negative = *text == '-';
	uint64_t magnitude;
	int64_t value;

	if (tl_str_u64(text + negative, (uint64_t)INT64_MAX + negative, &magnitude))
		return TL_EINVAL;
	value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
	if (value < min || value > max)
		return TL_EINVAL;
	*ret_value = value;
	return 0;
}

struct unit {
	const char *suffix;
	uint64_t factor;
};

static int read_with_unit(const char *text, const struct unit *units, size_t count,
			  uint64_t *ret_value)
{
	uint64_t value;
	const char *suffix = read_digits(text, INT64_MAX, &value);

	if (!suffix)
		return TL_EINVAL;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(units[i].suffix, suffix) != 0)
			continue;
		if (value > INT64_MAX / units[i].factor)
			return TL_EINVAL;
		*ret_value = value * units[i].factor;
		return 0;
	}
	return TL_EINVAL;
}

int tl_str_duration_ms(const char *text, int64_t *ret_ms)
{
	static const struct unit units[] = {
		{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	uint64_t value;

	if (read_with_unit(text, units, TL_ARRAY_LEN(units), &value))
		return TL_EINVAL;
	*ret_ms = (int64_t)value;
	return 0;
}

int tl_str_size(const char *text, uint64_t *ret_bytes)
{
	static const struct unit units[] = {{"", 1},
					    {"K", UINT64_C(1) << 10},
					    {"M", UINT64_C(1) << 20},
					    {"G", UINT64_C(1) << 30},
					    {"T", UINT64_C(1) << 40}};

	return read_with_unit(text, units, TL_ARRAY_LEN(units), ret_bytes);
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool tl_str_is_name(const char *text, size_t max)
{
	size_t len = strnlen(text, max + 1);

	if (len == 0 || len > max || *text == '.' || *text == '-')
		return false;
	for (; *text; text++)
		if (!is_alnum(*text) && *text != '.' && *text != '_' && *text != '-')
			return false;
	return true;
}

/* The length of the well-formed sequence at `at` by table 3-7 of the Unicode standard, 0 when it is
 * malformed. */
static size_t utf8_sequence(const unsigned char *at, size_t len)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t more;

	if (at[0] < 0x80)
		return 1;
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	more = at[0] < 0xe0 ? 1 : at[0] < 0xf0 ? 2 : 3;
	if (len <= more)
		return 0;
	if (at[0] == 0xe0)
		low = 0xa0;
	else if (at[0] == 0xed)
		high = 0x9f;
	else if (at[0] == 0xf0)
		low = 0x90;
	else if (at[0] == 0xf4)
		high = 0x8f;
	if (at[1] < low || at[1] > high)
		return 0;
	for (size_t i = 2; i <= more; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return more + 1;
}

bool tl_str_is_utf8(const char *bytes, size_t len)
{
	const unsigned char *at = (const unsigned char *)bytes;

	for (size_t i = 0, step; i < len; i += step) {
		step = at[i] ? utf8_sequence(at + i, len - i) : 0;
		if (step == 0)
			return false;
	}
	return true;
}

/* Marks that reorder the text around them: what a person reads would not be what is there. */
static bool is_reordering(const unsigned char *at)
{
	if (at[0] != 0xe2)
		return false;
	if (at[1] == 0x80) /* U+200E, U+200F, U+202A to U+202E */
		return at[2] == 0x8e || at[2] == 0x8f || (at[2] >= 0xaa && at[2] <= 0xae);
	return at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9; /* U+2066 to U+2069 */
}

static bool is_control(const unsigned char *at, size_t step)
{
	if (step == 1)
		return at[0] < 0x20 || at[0] == 0x7f;
	if (step == 3)
		return is_reordering(at);
	return step == 2 && at[0] == 0xc2 && at[1] < 0xa0;
}

void tl_str_printable(struct tl_buf *out, const char *text, size_t len)
{
	const unsigned char *at = (const unsigned char *)text;

	for (size_t i = 0, step; i < len; i += step) {
		step = utf8_sequence(at + i, len - i);
		if (step > 0 && !is_control(at + i, step)) {
			tl_buf_append(out, at + i, step);
			continue;
		}
		step = step ? step : 1;
		for (size_t k = 0; k < step; k++)
			tl_buf_printf(out, "\\x%02x", at[i + k]);
	}
}

int tl_strv_push(struct tl_strv *list, const char *text)
{
	char **items = reallocarray(list->items, list->count + 2, sizeof *items);
	char *copy;

	if (!items)
		return TL_ENOMEM;
	list->items = items;
	items[list->count] = NULL;
	copy = strdup(text);
	if (!copy)
		return TL_ENOMEM;
	items[list->count++] = copy;
	items[list->count] = NULL;
	return 0;
}

bool tl_strv_has(const struct tl_strv *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i], text) == 0)
			return true;
	return false;
}

void tl_strv_clear(struct tl_strv *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct tl_strv)TL_STRV_INIT;
}
