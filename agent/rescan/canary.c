#include "rescan/canary.h"

#include <stdlib.h>
#include <string.h>
#include <towline/crypto.h>

#define VALUE_MAX 72

/* The kinds of secrets, as a source has them. Lines of a key are values of their own. */
static const struct kind {
	const char *before, *after;
	size_t len;
} kinds[] = {
	{"canary_db_password=", "\n", 24},
	{"Authorization: Bearer ", "\n", 40},
	{"endpoint https://canary:", "@canary.invalid/\n", 20},
	{"canary_github: ghp_", "\n", 36},
	{"{\"api_key\": \"", "\"}\n", 32},
	{"-----BEGIN PRIVATE KEY-----\n", "\n", 64},
	{"", "\n", 64},
	{"", "\n-----END PRIVATE KEY-----\n", 64},
};
#define KINDS (sizeof kinds / sizeof *kinds)

struct tl_canary {
	char values[KINDS][VALUE_MAX];
};

/* Letters and digits, with each kind of them among the first: what a rule that looks at kinds expects. */
static void draw(char *value, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	for (size_t i = 0; i < len; i++) {
		unsigned char byte;

		/* 248 is the largest multiple of 62: no letter is likelier than others. */
		do {
			tl_random(&byte, 1);
		} while (byte >= 248);
		value[i] = digits[byte % 62];
	}
	value[1] = (char)('2' + value[1] % 8);
	value[3] = (char)('A' + value[3] % 26);
	value[5] = (char)('a' + value[5] % 26);
	value[len] = '\0';
}

int tl_canary_new(struct tl_canary **ret_canary, struct tl_err *err)
{
	struct tl_canary *canary = calloc(1, sizeof *canary);

	if (!canary)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the canaries");
	for (size_t i = 0; i < KINDS; i++)
		draw(canary->values[i], kinds[i].len);
	*ret_canary = canary;
	return 0;
}

void tl_canary_text(const struct tl_canary *canary, struct tl_buf *out)
{
	tl_buf_puts(out, "Made up for this run: nothing of these values may leave the host.\n");
	for (size_t i = 0; i < KINDS; i++)
		tl_buf_printf(out, "%s%s%s", kinds[i].before, canary->values[i], kinds[i].after);
}

size_t tl_canary_count(const struct tl_canary *canary)
{
	(void)canary;
	return KINDS;
}

const char *tl_canary_value(const struct tl_canary *canary, size_t index)
{
	return index < KINDS ? canary->values[index] : NULL;
}

void tl_canary_free(struct tl_canary *canary)
{
	if (!canary)
		return;
	tl_wipe(canary, sizeof *canary);
	free(canary);
}

static uint64_t window_at(const void *bytes)
{
	uint64_t window;

	memcpy(&window, bytes, sizeof window);
	return window;
}

static size_t slot_of(uint64_t window)
{
	return (size_t)(window * UINT64_C(0x9e3779b97f4a7c15) >> 52) % CANARY_SLOTS;
}

static bool has(const struct canary_search *search, uint64_t window)
{
	size_t slot = slot_of(window);

	for (; search->windows[slot]; slot = (slot + 1) % CANARY_SLOTS)
		if (search->windows[slot] == window)
			return true;
	return false;
}

int canary_search_add(struct canary_search *search, const char *value)
{
	size_t len = strlen(value);

	if (search->values == CANARY_VALUES_MAX || len < 2 * CANARY_WINDOW - 1 ||
	    search->count + len > CANARY_SLOTS / 2)
		return TL_ETOOBIG;
	search->values++;
	for (size_t i = 0; i + CANARY_WINDOW <= len; i++) {
		uint64_t window = window_at(value + i);
		size_t slot = slot_of(window);

		while (search->windows[slot])
			slot = (slot + 1) % CANARY_SLOTS;
		search->windows[slot] = window;
		search->count++;
	}
	return 0;
}

void canary_search_begin(struct canary_search *search)
{
	search->rest_len = 0;
}

bool canary_search_feed(struct canary_search *search, const char *bytes, size_t len,
			size_t *ret_end)
{
	size_t at = 0;
	bool found = false;

	if (search->count == 0)
		return false;
	if (search->rest_len > 0) {
		size_t take = CANARY_WINDOW - search->rest_len;

		take = take < len ? take : len;
		memcpy(search->rest + search->rest_len, bytes, take);
		search->rest_len += take;
		at = take;
		if (search->rest_len < CANARY_WINDOW)
			return false;
		found = has(search, window_at(search->rest));
		*ret_end = at;
	}
	for (; !found && len - at >= CANARY_WINDOW; at += CANARY_WINDOW) {
		found = has(search, window_at(bytes + at));
		*ret_end = at + CANARY_WINDOW;
	}
	/* After a find the rest of the piece is not looked at: one is enough for the member. */
	search->rest_len = (len - at) % CANARY_WINDOW;
	memcpy(search->rest, bytes + len - search->rest_len, search->rest_len);
	return found;
}
