#include "redact/identity_index.h"

#include <string.h>
#include <strings.h>

#define TRUNCATED_MIN 8 /* bytes of a name that is cut off; with a '+' (ps) one less */

struct addition {
	const struct tl_strv *list;
	enum identity_kind kind;
};

static size_t word_len(const char *text, size_t len)
{
	size_t end = 0;

	while (end < len && is_word((unsigned char)text[end]))
		end++;
	return end;
}

static unsigned *head_of(const struct identity_index *index, uint64_t key)
{
	return &index->heads[key >> 48];
}

static bool has_name(const struct identity_index *index, uint64_t key, const char *text, size_t len)
{
	for (unsigned i = *head_of(index, key); i; i = index->names[i].next)
		if (index->names[i].len == len && strncasecmp(index->names[i].text, text, len) == 0)
			return true;
	return false;
}

static int grow(struct identity_index *index)
{
	size_t capacity = index->capacity ? index->capacity * 2 : 64;
	struct identity_name *names;

	if (index->count + 1 < index->capacity)
		return 0;
	names = reallocarray(index->names, capacity, sizeof *names);
	if (!names)
		return TL_ENOMEM;
	index->names = names;
	index->capacity = capacity;
	return 0;
}

static void add_keyword(struct identity_index *index, const char *text)
{
	unsigned pair = lower((unsigned char)text[0]) | lower((unsigned char)text[1]) << 8;

	index->has_keywords = true;
	index->keyword_pairs[pair / 64] |= UINT64_C(1) << (pair % 64);
}

static bool is_wanted(const struct identity_index *index, const char *text, size_t len,
		      enum identity_kind kind)
{
	if (len < 2 || len > IDENTITY_NAME_MAX || !is_word((unsigned char)text[0]) ||
	    index->count >= IDENTITY_NAMES_MAX)
		return false;
	return kind == NAME_KEYWORD ||
	       (!identity_is_generic(text, len) && !identity_index_keeps(index, text, len));
}

static int add_name(struct identity_index *index, const char *text, enum identity_kind kind)
{
	size_t len = strlen(text);
	uint64_t key = identity_key(text, word_len(text, len));
	struct identity_name name = {.len = len, .kind = kind};

	if (!is_wanted(index, text, len, kind) || has_name(index, key, text, len))
		return 0;
	if (grow(index) < 0 || !(name.text = strdup(text)))
		return TL_ENOMEM;
	for (size_t i = 0; i < len; i++)
		name.text[i] = (char)lower((unsigned char)text[i]);
	name.in_context =
		kind != NAME_KEYWORD && kind != NAME_DOMAIN && identity_is_common(text, len);
	if (kind == NAME_KEYWORD)
		add_keyword(index, name.text);
	name.next = *head_of(index, key);
	*head_of(index, key) = (unsigned)++index->count;
	index->names[index->count] = name;
	index->bloom[key >> 54] |= UINT64_C(1) << (key >> 48 & 63);
	return 0;
}

int identity_index_build(struct identity_index *index, const struct tl_identity_names *names)
{
	const struct addition additions[] = {
		{&names->keywords, NAME_KEYWORD}, {&names->users, NAME_USER},
		{&names->hosts, NAME_HOST},	  {&names->domains, NAME_DOMAIN},
		{&names->persons, NAME_PERSON},
	};
	int r = 0;

	*index = (struct identity_index){.heads = calloc(65536, sizeof *index->heads)};
	if (!index->heads)
		return TL_ENOMEM;
	for (size_t i = 0; r == 0 && i < names->keep.count; i++)
		r = tl_strv_push(&index->keep, names->keep.items[i]);
	for (size_t k = 0; k < TL_ARRAY_LEN(additions); k++)
		for (size_t i = 0; r == 0 && i < additions[k].list->count; i++)
			r = add_name(index, additions[k].list->items[i], additions[k].kind);
	return r;
}

void identity_index_clear(struct identity_index *index)
{
	for (size_t i = 1; i <= index->count; i++)
		free(index->names[i].text);
	free(index->names);
	free(index->heads);
	tl_strv_clear(&index->keep);
}

bool identity_index_keeps(const struct identity_index *index, const char *text, size_t len)
{
	for (size_t i = 0; i < index->keep.count; i++)
		if (strlen(index->keep.items[i]) == len &&
		    strncasecmp(index->keep.items[i], text, len) == 0)
			return true;
	return false;
}

static size_t common_len(const struct identity_name *name, const struct identity_text *text,
			 size_t at)
{
	size_t len = 0;

	while (len < name->len && lower(text_at(text, at + len)) == (unsigned char)name->text[len])
		len++;
	return len;
}

static bool is_label(unsigned char c)
{
	return is_word(c) || c == '-' || c == '_';
}

/* A name that was cut at a column's edge. Where it would end at a part of the name, or lacks only a number,
 * it is rather a word ("postgresql" of "postgresql1"). */
static bool is_truncated(const struct identity_name *name, const struct identity_text *text,
			 size_t at, size_t len)
{
	unsigned char next = text_at(text, at + len), missing = (unsigned char)name->text[len];

	if (next == '+')
		return len >= TRUNCATED_MIN - 1;
	return len >= TRUNCATED_MIN && !is_label(next) && is_word(missing) && !is_digit(missing) &&
	       (next != '.' || !is_word(text_at(text, at + len + 1)));
}

/* How long the name is at `at`; 0 when it is not there. */
static size_t match(const struct identity_name *name, const struct identity_text *text, size_t at)
{
	size_t len = common_len(name, text, at), end = at + len;
	unsigned char next = text_at(text, end);

	/* "ACME_HOME" is a variable, not the account acme. */
	if (name->kind == NAME_USER && (next == '_' || text_at(text, at - 1) == '_') &&
	    memcmp(text->bytes + at, name->text, len) != 0)
		return 0;
	if (len < name->len)
		return name->kind != NAME_PERSON && is_truncated(name, text, at, len) ? len : 0;
	if (is_word(next) || (name->in_context && !identity_in_context(text, at, end, name->kind)))
		return 0;
	/* A domain of one label is a word like others where nothing stands before it. */
	if (name->kind == NAME_DOMAIN && !strchr(name->text, '.') && text_at(text, at - 1) != '.')
		return 0;
	if (name->kind == NAME_DOMAIN &&
	    (next == '-' || (next == '.' && is_word(text_at(text, end + 1)))))
		return 0;
	return len;
}

/* Labels before a domain belong to the name. */
static size_t name_start(const struct identity_text *text, size_t at)
{
	size_t start = at;

	if (text_at(text, at - 1) != '.' || !is_label(text_at(text, at - 2)))
		return at;
	while (at - start < IDENTITY_NAME_MAX &&
	       (is_label(text_at(text, start - 1)) ||
		(text_at(text, start - 1) == '.' && is_label(text_at(text, start - 2)))))
		start--;
	while (start < at && !is_word(text_at(text, start)) && text_at(text, start) != '_')
		start++;
	return start;
}

static enum tl_identity_class class_of(enum identity_kind kind)
{
	static const enum tl_identity_class classes[NAME_KINDS] = {[NAME_HOST] = TL_IDENTITY_HOST,
								   [NAME_DOMAIN] = TL_IDENTITY_HOST,
								   [NAME_USER] = TL_IDENTITY_USER,
								   [NAME_PERSON] = TL_IDENTITY_USER,
								   [NAME_KEYWORD] =
									   TL_IDENTITY_SITE};

	return classes[kind];
}

bool identity_index_word(const struct identity_index *index, const struct identity_text *text,
			 size_t at, size_t end, struct identity_span *ret_span)
{
	uint64_t key = identity_key(text->bytes + at, end - at);
	const struct identity_name *best = NULL;
	size_t best_len = 0;

	if (!identity_index_may_have(index, key))
		return false;
	for (unsigned i = *head_of(index, key); i; i = index->names[i].next) {
		const struct identity_name *name = &index->names[i];
		size_t len = name->kind == NAME_KEYWORD ? 0 : match(name, text, at);

		if (len > best_len) {
			best = name;
			best_len = len;
		}
	}
	if (!best)
		return false;
	*ret_span = (struct identity_span){class_of(best->kind), at, at + best_len};
	if (best->kind == NAME_DOMAIN)
		ret_span->start = name_start(text, at);
	return true;
}

bool identity_index_keyword(const struct identity_index *index, const struct identity_text *text,
			    size_t at, struct identity_span *ret_span)
{
	for (size_t i = 1; i <= index->count; i++) {
		const struct identity_name *name = &index->names[i];

		/* Keywords were added first. */
		if (name->kind != NAME_KEYWORD)
			break;
		if (common_len(name, text, at) == name->len) {
			*ret_span = (struct identity_span){TL_IDENTITY_SITE, at, at + name->len};
			return true;
		}
	}
	return false;
}

const struct identity_name *identity_index_find(const struct identity_index *index,
						enum identity_kind kind, const char *text,
						size_t len)
{
	uint64_t key = identity_key(text, word_len(text, len));
	const struct identity_name *beginning = NULL;

	for (unsigned i = *head_of(index, key); i; i = index->names[i].next) {
		const struct identity_name *name = &index->names[i];

		if (name->kind != kind || name->len < len ||
		    strncasecmp(name->text, text, len) != 0)
			continue;
		if (name->len == len)
			return name;
		if (len >= TRUNCATED_MIN - 1 &&
		    (!beginning || strcmp(name->text, beginning->text) < 0))
			beginning = name;
	}
	return beginning;
}
