#include "redact/needs.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <towline/attr.h>

#define DEPTH_MAX 32
#define WEIGHT_MAX 100 /* of a set: above, nearly every line has one of them */

#define LETTER(n) ['a' + (n)] = UINT64_C(1) << (n), ['A' + (n)] = UINT64_C(1) << (n)
#define DIGIT(n) ['0' + (n)] = UINT64_C(1) << 26
#define MARK(byte, n) [byte] = UINT64_C(1) << (27 + (n))

/* The kind of each byte, a bit; 0: of no interest. */
static const uint64_t kinds[256] = {
	LETTER(0),     LETTER(1),     LETTER(2),     LETTER(3),	     LETTER(4),	     LETTER(5),
	LETTER(6),     LETTER(7),     LETTER(8),     LETTER(9),	     LETTER(10),     LETTER(11),
	LETTER(12),    LETTER(13),    LETTER(14),    LETTER(15),     LETTER(16),     LETTER(17),
	LETTER(18),    LETTER(19),    LETTER(20),    LETTER(21),     LETTER(22),     LETTER(23),
	LETTER(24),    LETTER(25),    DIGIT(0),	     DIGIT(1),	     DIGIT(2),	     DIGIT(3),
	DIGIT(4),      DIGIT(5),      DIGIT(6),	     DIGIT(7),	     DIGIT(8),	     DIGIT(9),
	MARK('!', 0),  MARK('"', 1),  MARK('#', 2),  MARK('$', 3),   MARK('%', 4),   MARK('&', 5),
	MARK('\'', 6), MARK('(', 7),  MARK(')', 8),  MARK('*', 9),   MARK('+', 10),  MARK(',', 11),
	MARK('-', 12), MARK('.', 13), MARK('/', 14), MARK(':', 15),  MARK(';', 16),  MARK('<', 17),
	MARK('=', 18), MARK('>', 19), MARK('?', 20), MARK('@', 21),  MARK('[', 22),  MARK('\\', 23),
	MARK(']', 24), MARK('^', 25), MARK('_', 26), MARK('`', 27),  MARK('{', 28),  MARK('|', 29),
	MARK('}', 30), MARK('~', 31), MARK(' ', 32), MARK('\t', 33), MARK('\0', 34),
};

#define KINDS 62

uint64_t needs_kinds(const char *text, size_t len)
{
	uint64_t held = 0;

	for (size_t i = 0; i < len; i++)
		held |= kinds[(unsigned char)text[i]];
	return held;
}

bool needs_are_met(const struct needs *needs, uint64_t held)
{
	for (unsigned i = 0; i < needs->count; i++)
		if (!(needs->sets[i] & held))
			return false;
	return true;
}

/* ---- what is worth asking for ----------------------------------------------------------------- */

/* A set with a byte of no interest is met by every text. */
static void add_byte(uint64_t *set, unsigned byte)
{
	*set |= kinds[byte % 256] ? kinds[byte % 256] : UINT64_MAX;
}

/* How common the bytes of a kind are in the lines that are looked at, roughly. */
static unsigned kind_weight(unsigned kind)
{
	static const char common[] = ".:-/";

	if (kind < 26)
		return 24;
	for (const char *at = common; *at; at++)
		if (kinds[(unsigned char)*at] == UINT64_C(1) << kind)
			return 8;
	return kind == 26 || UINT64_C(1) << kind == kinds[' '] ? 60 : 2;
}

static unsigned set_weight(uint64_t set)
{
	unsigned weight = 0;

	for (unsigned kind = 0; kind < KINDS; kind++)
		if (set >> kind & 1)
			weight += kind_weight(kind);
	return weight;
}

/* The rarest come first. */
static void add_need(struct needs *needs, uint64_t set)
{
	unsigned weight = set_weight(set), at = 0;

	while (at < needs->count && set_weight(needs->sets[at]) <= weight)
		if (needs->sets[at++] == set)
			return;
	if (weight > WEIGHT_MAX || at == NEEDS_MAX)
		return;
	if (needs->count < NEEDS_MAX)
		needs->count++;
	memmove(&needs->sets[at + 1], &needs->sets[at],
		(needs->count - at - 1) * sizeof *needs->sets);
	needs->sets[at] = set;
}

/* What one branch or the other needs. */
static struct needs either(const struct needs *left, const struct needs *right)
{
	struct needs both = {.count = 0};

	for (unsigned i = 0; i < left->count && i < right->count; i++)
		add_need(&both, left->sets[i] | right->sets[i]);
	return both;
}

/* ---- the expression --------------------------------------------------------------------------- */

/* One walk over the expression. What is not understood ends it: `at` becomes NULL. */
struct walk {
	const char *at;
	unsigned depth;
	bool extended; /* (?x): blanks and comments mean nothing */
};

static void refuse(struct walk *walk)
{
	walk->at = NULL;
}

static void add_any_case(uint64_t *set, unsigned byte)
{
	add_byte(set, (unsigned)tolower((int)byte));
	add_byte(set, (unsigned)toupper((int)byte));
}

static void add_where(uint64_t *set, int (*is)(int), bool negated)
{
	for (int byte = 0; byte < 256; byte++)
		if ((is(byte) != 0) != negated)
			add_byte(set, (unsigned)byte);
}

static int is_word(int byte)
{
	return byte < 128 && (isalnum(byte) || byte == '_');
}

static int is_digit(int byte)
{
	return byte >= '0' && byte <= '9';
}

static int is_blank_of_pcre(int byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* \xHH, \x{HH}: moves behind it. */
static bool read_hex(const char **at, unsigned *ret_byte)
{
	int len = 0;

	if (sscanf(*at, "x{%2x}%n", ret_byte, &len) != 1 || len == 0) {
		len = 0;
		if (sscanf(*at, "x%2x%n", ret_byte, &len) != 1 || len != 3)
			return false;
	}
	*at += len;
	return true;
}

/* What stands behind a backslash, in a class or outside: a class of bytes, or one byte, which *ret_byte
 * says. */
static bool read_escape(const char **at, uint64_t *set, int *ret_byte)
{
	static const struct {
		char name;
		int (*is)(int);
	} classes[] = {{'w', is_word}, {'d', is_digit}, {'s', is_blank_of_pcre}};
	static const char names[] = "tnrfe", bytes[] = "\t\n\r\f\x1b";
	unsigned char name = (unsigned char)**at;
	const char *control = name ? strchr(names, name) : NULL;
	unsigned byte = name;

	*ret_byte = -1;
	for (size_t i = 0; i < TL_ARRAY_LEN(classes); i++)
		if (tolower(name) == (unsigned char)classes[i].name) {
			add_where(set, classes[i].is, name != (unsigned char)classes[i].name);
			++*at;
			return true;
		}
	if (name == 'x') {
		if (!read_hex(at, &byte))
			return false;
	} else if (control) {
		byte = (unsigned char)bytes[control - names];
		++*at;
	} else if (name < 128 && (ispunct(name) || name == ' ')) {
		++*at;
	} else {
		return false;
	}
	*ret_byte = (int)byte;
	add_any_case(set, byte);
	return true;
}

/* "[:alpha:]": not taken apart. */
static bool is_posix_class(const char *at)
{
	return at[0] == '[' && at[1] && strchr(":.=", at[1]);
}

/* One member of a class; a byte, which may begin a range, or more. */
static bool read_member(const char **at, uint64_t *set, int *ret_byte)
{
	if (is_posix_class(*at))
		return false;
	if (**at == '\\') {
		++*at;
		return **at != 'b' && read_escape(at, set, ret_byte);
	}
	*ret_byte = (unsigned char)*(*at)++;
	add_any_case(set, (unsigned)*ret_byte);
	return true;
}

static bool read_range(const char **at, uint64_t *set)
{
	int first, last;

	if (!read_member(at, set, &first))
		return false;
	if ((*at)[0] != '-' || (*at)[1] == ']' || (*at)[1] == '\0')
		return true;
	++*at;
	if (first < 0 || !read_member(at, set, &last) || last < first)
		return false;
	for (int byte = first; byte <= last; byte++)
		add_any_case(set, (unsigned)byte);
	return true;
}

/* At "[". */
static void read_class(struct walk *walk, uint64_t *set)
{
	const char *at = walk->at + 1;
	bool negated = *at == '^';

	at += negated;
	do {
		if (!*at || !read_range(&at, set)) {
			refuse(walk);
			return;
		}
	} while (*at != ']');
	if (negated) /* nearly everything */
		*set = UINT64_MAX;
	walk->at = at + 1;
}

static bool skip_blank(struct walk *walk)
{
	if (!walk->extended)
		return false;
	if (*walk->at == '#') {
		walk->at += strcspn(walk->at, "\n");
		return true;
	}
	if (!isspace((unsigned char)*walk->at))
		return false;
	walk->at++;
	return true;
}

/* Behind an atom: the least number of its repetitions. */
static unsigned read_quantifier(struct walk *walk)
{
	unsigned min = 1, max;
	int len = 0;

	while (walk->at && skip_blank(walk))
		;
	if (!walk->at || !strchr("*+?{", *walk->at) || !*walk->at)
		return 1;
	if (*walk->at != '{') {
		min = *walk->at == '+';
		len = 1;
	} else if (sscanf(walk->at, "{%9u}%n", &min, &len) != 1 || len == 0) {
		if (sscanf(walk->at, "{%9u,}%n", &min, &len) != 1 || len == 0)
			if (sscanf(walk->at, "{%9u,%9u}%n", &min, &max, &len) != 2 || len == 0)
				return 0; /* a brace that stands for itself */
	}
	walk->at += len;
	if (*walk->at == '+' || *walk->at == '?') /* possessive, lazy */
		walk->at++;
	return min;
}

static struct needs read_branches(struct walk *walk);

/* Behind the opening of a group. `extended`: what holds again behind it. */
static void read_group(struct walk *walk, bool extended, struct needs *needs)
{
	struct needs inside;

	if (walk->depth++ == DEPTH_MAX) {
		refuse(walk);
		return;
	}
	inside = read_branches(walk);
	walk->depth--;
	if (!walk->at || *walk->at != ')') {
		refuse(walk);
		return;
	}
	walk->at++;
	walk->extended = extended;
	if (read_quantifier(walk) == 0)
		return;
	for (unsigned i = 0; i < inside.count; i++)
		add_need(needs, inside.sets[i]);
}

/* A lookaround is no part of the match. */
static void skip_around(struct walk *walk, size_t opening)
{
	struct needs left_out = {.count = 0};

	walk->at += opening;
	read_group(walk, walk->extended, &left_out);
}

/* "(?xi)", "(?-i:". */
static void read_flags(struct walk *walk, struct needs *needs)
{
	const char *at = walk->at + 2;
	bool on = true, extended = walk->extended, outside = walk->extended;

	for (; *at && strchr("imsx-", *at); at++) {
		on = on && *at != '-';
		if (*at == 'x')
			extended = on;
	}
	walk->at = at + 1;
	walk->extended = extended;
	if (*at == ':') {
		read_group(walk, outside, needs);
	} else if (*at != ')') {
		refuse(walk);
	}
}

/* At "(". */
static void take_group(struct walk *walk, struct needs *needs)
{
	static const char *const around[] = {"(?=", "(?!", "(?<=", "(?<!"};
	static const char *const groups[] = {"(?:", "(?>", "(?|"};
	const char *at = walk->at, *close = strchr(at, '>');

	for (size_t i = 0; i < TL_ARRAY_LEN(around); i++)
		if (strncmp(at, around[i], strlen(around[i])) == 0) {
			skip_around(walk, strlen(around[i]));
			return;
		}
	for (size_t i = 0; i < TL_ARRAY_LEN(groups); i++)
		if (strncmp(at, groups[i], strlen(groups[i])) == 0) {
			walk->at += strlen(groups[i]);
			read_group(walk, walk->extended, needs);
			return;
		}
	if (at[1] == '*') {
		refuse(walk);
	} else if (at[1] != '?') {
		walk->at++;
		read_group(walk, walk->extended, needs);
	} else if (((at[2] == 'P' && at[3] == '<') || at[2] == '<') && close) {
		walk->at = close + 1;
		read_group(walk, walk->extended, needs);
	} else {
		read_flags(walk, needs);
	}
}

/* A byte, a class, an escape; an anchor, which is no byte. */
static void take_atom(struct walk *walk, struct needs *needs)
{
	uint64_t set = 0;
	bool empty = *walk->at == '^' || *walk->at == '$';
	int byte;

	if (*walk->at == '[') {
		read_class(walk, &set);
	} else if (*walk->at == '\\') {
		walk->at++;
		empty = *walk->at && strchr("bBAzZK", *walk->at);
		if (empty)
			walk->at++;
		else if (!read_escape(&walk->at, &set, &byte))
			refuse(walk);
	} else if (*walk->at == '.') {
		set = UINT64_MAX;
		walk->at++;
	} else {
		add_any_case(&set, (unsigned char)*walk->at++);
	}
	if (walk->at && read_quantifier(walk) > 0 && !empty)
		add_need(needs, set);
}

static struct needs read_branch(struct walk *walk)
{
	struct needs needs = {.count = 0};

	while (walk->at && *walk->at && *walk->at != '|' && *walk->at != ')') {
		if (skip_blank(walk))
			continue;
		if (*walk->at == '(')
			take_group(walk, &needs);
		else
			take_atom(walk, &needs);
	}
	return needs;
}

static struct needs read_branches(struct walk *walk)
{
	struct needs all = read_branch(walk);

	while (walk->at && *walk->at == '|') {
		struct needs next;

		walk->at++;
		next = read_branch(walk);
		all = either(&all, &next);
	}
	return all;
}

struct needs needs_of(const char *regex)
{
	struct walk walk = {.at = regex};
	struct needs needs = read_branches(&walk);

	if (!walk.at || *walk.at)
		needs.count = 0;
	return needs;
}
