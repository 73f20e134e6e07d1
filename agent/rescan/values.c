#include <string.h>
#include <towline/buf.h>
#include <towline/str.h>

#include "rescan/rules.h"

#define NAME_MAX_BYTES 48
#define VALUE_MAX 1024
#define URL_MAX 512
#define KEY_LINE_MIN 40 /* base64 digits in a row: a line of a key has 64 or 70 */

/* Ends of names whose value is a secret, without their '_', '-' and '.'. */
#define NAME(text) \
	{ \
		text, sizeof text - 1 \
	}
static const struct {
	const char *text;
	size_t len;
} secret_names[] = {
	NAME("password"),      NAME("passwd"),	    NAME("passphrase"),	  NAME("secret"),
	NAME("apikey"),	       NAME("accesskey"),   NAME("secretkey"),	  NAME("privatekey"),
	NAME("encryptionkey"), NAME("accountkey"),  NAME("signingkey"),	  NAME("masterkey"),
	NAME("authtoken"),     NAME("accesstoken"), NAME("refreshtoken"), NAME("apitoken"),
	NAME("sessiontoken"),  NAME("bottoken"),    NAME("bearertoken"),  NAME("secretaccesskey"),
	NAME("dbpass"),	       NAME("psk"),	    NAME("userpw"),
};
#undef NAME

/* Hashes of passwords: the mark, and how long the last part is at least. */
static const struct {
	const char *mark, *kind;
	size_t min;
} hashes[] = {
	{"$1$", "password-hash", 22},	  {"$5$", "password-hash", 43},
	{"$6$", "password-hash", 86},	  {"$y$", "password-hash", 43},
	{"$gy$", "password-hash", 43},	  {"$7$", "password-hash", 43},
	{"$2a$", "password-hash", 53},	  {"$2b$", "password-hash", 53},
	{"$2y$", "password-hash", 53},	  {"$apr1$", "password-hash", 22},
	{"$argon2", "password-hash", 22}, {"$pbkdf2", "password-hash", 20},
	{"$sha1$", "password-hash", 28},
};

static bool is_value_end(unsigned char c)
{
	return c <= ' ' || rescan_is_one_of(c, "\"'`,;&<>|)}]\\");
}

/* "module.Type2" is a name in a program. */
static bool is_dotted_name(const char *value, size_t len)
{
	bool dotted = false;

	for (size_t i = 0; i < len; i++) {
		dotted = dotted || value[i] == '.';
		if (!rescan_is((unsigned char)value[i], BYTE_ALNUM | BYTE_DOT) && value[i] != '_')
			return false;
	}
	return dotted;
}

/* Values of several kinds of characters that are no code, path or address. */
static bool is_secret_value(const char *value, size_t len)
{
	if (len < 8 || rescan_is_placeholder(value, len) || memchr(value, '(', len) ||
	    memchr(value, '[', len) || memchr(value, '{', len) || memmem(value, len, "://", 3) ||
	    memmem(value, len, "[redacted", 9) || is_dotted_name(value, len))
		return false;
	return rescan_is_random(value, len);
}

/* The name before a separator, in small letters without what parts its words. Its length. */
static size_t read_name(const struct rescan_text *text, size_t at, char name[static NAME_MAX_BYTES])
{
	size_t len = 0, begin;

	while (at > 0 && rescan_is_one_of(text->bytes[at - 1], " \t\"'\\"))
		at--;
	begin = at;
	while (begin > 0 && at - begin < NAME_MAX_BYTES &&
	       rescan_is((unsigned char)text->bytes[begin - 1], BYTE_ALNUM | BYTE_DASH | BYTE_DOT))
		begin--;
	for (; begin < at; begin++) {
		unsigned char c = (unsigned char)text->bytes[begin];

		if (rescan_is(c, BYTE_ALNUM))
			name[len++] = (char)(rescan_is(c, BYTE_UPPER) ? c | 0x20 : c);
	}
	return len;
}

static bool is_secret_name(const char *name, size_t len)
{
	if (len == 0 || !rescan_is_one_of((unsigned char)name[len - 1], "dtyeknsw"))
		return false;
	for (size_t i = 0; i < sizeof secret_names / sizeof *secret_names; i++) {
		size_t end = secret_names[i].len;

		if (len >= end && name[len - 1] == secret_names[i].text[end - 1] &&
		    memcmp(name + len - end, secret_names[i].text, end) == 0)
			return true;
	}
	return false;
}

const char *rescan_assignment(const struct rescan_text *text, size_t at, size_t *ret_end)
{
	char name[NAME_MAX_BYTES];
	size_t begin = at + 1, end;

	if (!is_secret_name(name, read_name(text, at, name)))
		return NULL;
	while (begin - at < 8 && begin < text->len &&
	       rescan_is_one_of(text->bytes[begin], " \t\"'=\\"))
		begin++;
	end = begin;
	while (end - begin < VALUE_MAX && end < text->len &&
	       !is_value_end((unsigned char)text->bytes[end]))
		end++;
	if (end - begin == VALUE_MAX || !is_secret_value(text->bytes + begin, end - begin))
		return NULL;
	*ret_end = end;
	return "assigned-secret";
}

/* user:password in base64, RFC 7617 */
static bool is_basic(const char *value, size_t len)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_SECRET_INIT(VALUE_MAX);

	return len >= 8 && len % 4 == 0 && tl_base64_decode(&out, value, len) == 0 &&
	       out.len >= 5 && tl_str_is_utf8(out.data, out.len) &&
	       memchr(out.data + 1, ':', out.len - 2);
}

const char *rescan_bearer(const struct rescan_text *text, size_t at, size_t *ret_end)
{
	bool bearer = rescan_has(text, at, "bearer ");
	size_t begin = at + strlen("bearer "), len;
	const char *value;

	if (!bearer && !rescan_has(text, at, "basic "))
		return NULL;
	begin -= bearer ? 0 : 1;
	len = rescan_run(text, begin, BYTE_ALNUM | BYTE_DASH | BYTE_DOT | BYTE_BASE64, VALUE_MAX);
	value = text->bytes + begin;
	if (len == 0 || rescan_is_placeholder(value, len) ||
	    !(bearer ? len >= 16 && rescan_is_random(value, len) : is_basic(value, len)))
		return NULL;
	*ret_end = begin + len;
	return bearer ? "bearer-token" : "basic-credentials";
}

/* A password of a URL ends at the last '@' before the host; `at` is one of them. */
const char *rescan_url(const struct rescan_text *text, size_t at, size_t *ret_end)
{
	size_t begin = at, colon = 0;

	while (begin > 0 && at - begin < URL_MAX &&
	       !is_value_end((unsigned char)text->bytes[begin - 1]) &&
	       text->bytes[begin - 1] != '/' && text->bytes[begin - 1] != '@') {
		begin--;
		if (text->bytes[begin] == ':')
			colon = begin;
	}
	if (colon <= begin || begin < 3 || memcmp(text->bytes + begin - 3, "://", 3) != 0 ||
	    at - colon - 1 < 3 || !rescan_is(rescan_at(text, at + 1), BYTE_ALNUM) ||
	    rescan_is_placeholder(text->bytes + colon + 1, at - colon - 1) ||
	    memmem(text->bytes + colon, at - colon, "[redacted", 9))
		return NULL;
	*ret_end = at + 1;
	return "url-password";
}

const char *rescan_hash(const struct rescan_text *text, size_t at, size_t *ret_end)
{
	for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++) {
		size_t mark = strlen(hashes[i].mark), part = at + mark, end = part;

		if (text->len - at < mark || memcmp(text->bytes + at, hashes[i].mark, mark) != 0)
			continue;
		while (end - at < URL_MAX &&
		       (rescan_is(rescan_at(text, end),
				  BYTE_ALNUM | BYTE_DOT | BYTE_BASE64 | BYTE_DASH) ||
			rescan_at(text, end) == '$' || rescan_at(text, end) == ','))
			if (rescan_at(text, end++) == '$')
				part = end;
		if (end - part < hashes[i].min ||
		    rescan_entropy(text->bytes + part, end - part) < 300)
			return NULL;
		*ret_end = end;
		return hashes[i].kind;
	}
	return NULL;
}

const char *rescan_pem(const struct rescan_text *text, size_t at, size_t *ret_end)
{
	size_t end = at + strlen("-----begin ");

	if (!rescan_has(text, at, "-----begin "))
		return NULL;
	while (end - at < 64 && (rescan_is(rescan_at(text, end), BYTE_UPPER | BYTE_DIGIT) ||
				 rescan_at(text, end) == ' '))
		end++;
	if (!memmem(text->bytes + at, end - at, "PRIVATE KEY", 11) ||
	    !rescan_has(text, end, "-----"))
		return NULL;
	*ret_end = end + 5;
	return "private-key";
}

bool rescan_has_key_material(const struct rescan_text *text, size_t at, size_t *ret_end)
{
	while (at < text->len) {
		size_t len = rescan_run(text, at, BYTE_ALNUM | BYTE_BASE64, 256);

		if (len >= KEY_LINE_MIN && rescan_is_random(text->bytes + at, len)) {
			*ret_end = at + len;
			return true;
		}
		at += len + 1;
	}
	return false;
}
