#include <string.h>
#include <strings.h>

#include "redact/identity_private.h"
#include "redact/punycode.h"

#define NAME_BYTES (4 * IDENTITY_NAME_MAX)
#define LABEL_DIGITS_MAX 8

struct name_kind {
	enum tl_identity_class class;
	const char *tag;    /* of the HMAC: equal words of two kinds have unlike pseudonyms */
	const char *prefix; /* of the pseudonym; identity_words.c knows their shapes */
	size_t digits;
	const char *suffix;
};

static const struct name_kind kind_host = {TL_IDENTITY_HOST, "host", "host-", 8, ""};
static const struct name_kind kind_domain = {TL_IDENTITY_HOST, "domain", "domain-", 6, ".invalid"};
static const struct name_kind kind_user = {TL_IDENTITY_USER, "user", "user-", 6, ""};
static const struct name_kind kind_person = {TL_IDENTITY_USER, "person", "name-", 6, ""};
static const struct name_kind kind_site = {TL_IDENTITY_SITE, "site", "site-", 6, ""};

/* Top-level domains that networks of their own use: they say nothing. */
static const char *const local_domains[] = {"local", "localdomain", "lan",
					    "home",  "internal",    "intranet",
					    "corp",  "private",	    NULL};
/* Below these, two-letter domains register names on the third level. */
static const char *const second_levels[] = {"ac",  "co", "com", "edu", "go",  "gob",
					    "gov", "gv", "ltd", "me",  "mil", "ne",
					    "net", "or", "org", "plc", NULL};

static bool is_listed(const char *text, size_t len, const char *const *list)
{
	for (; *list; list++)
		if (strlen(*list) == len && memcmp(*list, text, len) == 0)
			return true;
	return false;
}

/* 30 or 40 bits in Crockford's digits: fit for host names, no vowel but the one that is a 1's neighbour. */
static void put_digits(const uint8_t digest[static TL_SHA256_LEN], size_t count, char *out)
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	uint64_t bits = 0;

	for (size_t i = 0; i < sizeof bits; i++)
		bits = bits << 8 | digest[i];
	for (size_t i = 0; i < count; i++, bits >>= 5)
		out[i] = digits[bits & 31];
	out[count] = '\0';
}

static void put_name(struct tl_identities *identities, const struct name_kind *kind,
		     const char *name, size_t len, struct tl_buf *out)
{
	tl_auto(tl_buf) struct tl_buf original = TL_BUF_INIT(NAME_BYTES);
	tl_auto(tl_buf) struct tl_buf pseudonym = TL_BUF_INIT(64);
	uint8_t digest[TL_SHA256_LEN];
	char digits[LABEL_DIGITS_MAX + 1];

	tl_buf_append(&original, name, len);
	identity_prf_of(&identities->prf, kind->tag, name, len, digest);
	put_digits(digest, kind->digits, digits);
	tl_buf_printf(&pseudonym, "%s%s%s", kind->prefix, digits, kind->suffix);
	identity_remember(identities, kind->class, tl_buf_str(&pseudonym), tl_buf_str(&original));
	tl_buf_puts(out, tl_buf_str(&pseudonym));
}

static void put_lower(struct tl_buf *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		tl_buf_putc(out, (char)lower((unsigned char)text[i]));
}

/* How many bytes of `name` are in front of its last `count` labels; `len` when it has fewer. */
static size_t before_labels(const char *name, size_t len, unsigned count)
{
	size_t at = len;

	while (at > 0)
		if (name[--at] == '.' && --count == 0)
			return at + 1;
	return count == 1 ? 0 : len;
}

/* Where the domain begins that somebody registered: "acme.com" of "web.corp.acme.com". `len`: nowhere. */
static size_t domain_start(const struct identity_index *index, const char *name, size_t len)
{
	size_t top = before_labels(name, len, 1), second = before_labels(name, len, 2), end;
	const struct identity_name *known =
		identity_index_find(index, NAME_DOMAIN, name + top, len - top);

	if (known && known->len == len - top)
		return top;
	if (top == 0)
		return len;
	end = top - 1;
	if (len - top == 2 && second > 0 && is_listed(name + second, end - second, second_levels))
		return before_labels(name, len, 3);
	return second;
}

/* Labels that stand for nobody: those of services, and "*". */
static bool is_plain_label(const char *label, size_t len)
{
	return len == 0 || label[0] == '_' || identity_is_generic(label, len) ||
	       is_listed(label, len, (const char *const[]){"www", "mail", "ns", "ftp", "*", NULL});
}

/* `name`: in lower case and ASCII. */
static void put_labels(struct tl_identities *identities, const char *name, size_t len,
		       struct tl_buf *out)
{
	size_t domain = domain_start(&identities->index, name, len), start = 0;
	size_t top = before_labels(name, len, 1);

	if (domain == 0 && top > 0 && is_listed(name + top, len - top, local_domains))
		domain = top;
	while (start < domain) {
		const char *dot = memchr(name + start, '.', domain - start);
		size_t end = dot ? (size_t)(dot - name) : domain;

		if (is_plain_label(name + start, end - start) ||
		    identity_pseudonym_len(&(struct identity_text){name, end}, start))
			tl_buf_append(out, name + start, end - start);
		else
			put_name(identities, &kind_host, name + start, end - start, out);
		if (dot)
			tl_buf_putc(out, '.');
		start = end + 1;
	}
	if (domain >= len)
		return;
	if (is_listed(name + domain, len - domain, local_domains) ||
	    tl_str_ends(name + domain, ".invalid"))
		tl_buf_append(out, name + domain, len - domain);
	else
		put_name(identities, &kind_domain, name + domain, len - domain, out);
}

/* Completes a name that was cut off. */
static void put_whole(const struct identity_index *index, const char *text, size_t len,
		      struct tl_buf *out)
{
	const struct identity_name *known = identity_index_find(index, NAME_HOST, text, len);

	if (known) {
		tl_buf_puts(out, known->text);
		return;
	}
	for (size_t start = 0; start < len;) {
		const char *dot = memchr(text + start, '.', len - start);

		known = identity_index_find(index, NAME_DOMAIN, text + start, len - start);
		if (known) {
			put_lower(out, text, start);
			tl_buf_puts(out, known->text);
			return;
		}
		start = dot ? (size_t)(dot - text) + 1 : len;
	}
	put_lower(out, text, len);
}

void identity_put_host(struct tl_identities *identities, const char *text, size_t len,
		       struct tl_buf *out)
{
	tl_auto(tl_buf) struct tl_buf whole = TL_BUF_INIT(NAME_BYTES);
	tl_auto(tl_buf) struct tl_buf name = TL_BUF_INIT(NAME_BYTES);

	put_whole(&identities->index, text, len, &whole);
	punycode_encode_name(tl_buf_str(&whole), whole.len, &name);
	put_labels(identities, tl_buf_str(&name), name.len, out);
}

void identity_put_user(struct tl_identities *identities, const char *text, size_t len,
		       struct tl_buf *out)
{
	tl_auto(tl_buf) struct tl_buf name = TL_BUF_INIT(NAME_BYTES);
	const struct identity_name *known =
		identity_index_find(&identities->index, NAME_USER, text, len);
	bool person = identity_index_find(&identities->index, NAME_PERSON, text, len) != NULL;

	if (known && !person)
		tl_buf_puts(&name, known->text);
	else
		put_lower(&name, text, len);
	put_name(identities, person ? &kind_person : &kind_user, tl_buf_str(&name), name.len, out);
}

void identity_put_mail(struct tl_identities *identities, const char *text, size_t len,
		       struct tl_buf *out)
{
	const char *at = memrchr(text, '@', len);
	size_t local = at ? (size_t)(at - text) : len;

	if (identity_is_generic(text, local))
		tl_buf_append(out, text, local);
	else
		identity_put_user(identities, text, local, out);
	if (!at)
		return;
	tl_buf_putc(out, '@');
	identity_put_host(identities, at + 1, len - local - 1, out);
}

void identity_put_keyword(struct tl_identities *identities, const char *text, size_t len,
			  struct tl_buf *out)
{
	tl_auto(tl_buf) struct tl_buf name = TL_BUF_INIT(NAME_BYTES);

	put_lower(&name, text, len);
	put_name(identities, &kind_site, tl_buf_str(&name), name.len, out);
}
