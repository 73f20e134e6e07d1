#include <string.h>
#include <strings.h>

#include "redact/identity_private.h"

#define LOCAL_MAX 64 /* RFC 5321 section 4.5.3.1 */

/* What ends the name of a unit or a file, and no mail address. */
static const char *const file_ends[] = {"automount", "bin",    "bz2",	  "c",	  "cfg",   "conf",
					"css",	     "deb",    "device",  "exe",  "gif",   "gz",
					"h",	     "html",   "ini",	  "jar",  "jpg",   "js",
					"json",	     "keytab", "ko",	  "list", "lock",  "log",
					"mount",     "path",   "pem",	  "pid",  "png",   "py",
					"rpm",	     "scope",  "service", "sh",	  "slice", "so",
					"sock",	     "socket", "svg",	  "swap", "tar",   "target",
					"timer",     "tmp",    "ts",	  "txt",  "war",   "xml",
					"xz",	     "yaml",   "yml",	  "zip",  "zst",   NULL};

/* Domains of algorithms' names and of examples. */
static const char *const public_domains[] = {"openssh.com", "libssh.org",  "lysator.liu.se",
					     "ssh.com",	    "example.com", "example.net",
					     "example.org", NULL};
static const char *const public_ends[] = {".invalid",	  ".example",
					  ".test",	  ".localhost",
					  ".example.com", ".example.org",
					  ".example.net", NULL};

static bool is_local(unsigned char c)
{
	return is_word(c) || is_one_of(c, "._%+-");
}

static bool is_label(unsigned char c)
{
	return is_word(c) || c == '-';
}

static size_t find_local(const struct identity_text *text, size_t at)
{
	size_t start = at;

	while (at - start < LOCAL_MAX && is_local(text_at(text, start - 1)))
		start--;
	while (start < at && !is_word(text_at(text, start)))
		start++;
	return start;
}

/* The end of the domain at `at`, which has two labels or more. `at` when it has not. */
static size_t find_domain(const struct identity_text *text, size_t at, size_t *ret_top)
{
	size_t end = at, top = at;

	while (end - at < IDENTITY_NAME_MAX &&
	       (is_label(text_at(text, end)) ||
		(end > at && text_at(text, end) == '.' && is_label(text_at(text, end + 1))))) {
		if (text_at(text, end) == '.')
			top = end + 1;
		end++;
	}
	while (end > top && !is_word(text_at(text, end - 1)))
		end--;
	*ret_top = top;
	return top > at && end - top >= 2 ? end : at;
}

static bool is_listed(const char *text, size_t len, const char *const *list)
{
	for (; *list; list++)
		if (strlen(*list) == len && strncasecmp(*list, text, len) == 0)
			return true;
	return false;
}

static bool ends_in(const char *text, size_t len, const char *const *list)
{
	for (; *list; list++) {
		size_t end = strlen(*list);

		if (len >= end && strncasecmp(*list, text + len - end, end) == 0)
			return true;
	}
	return false;
}

/* "host/web.acme.com@ACME.COM" is a principal of Kerberos: its names are hosts'. */
static bool is_principal(const struct identity_text *text, size_t start)
{
	return text_at(text, start - 1) == '/' && is_word(text_at(text, start - 2));
}

bool identity_mail_at_sign(const struct identity_index *index, const struct identity_text *text,
			   size_t at, struct identity_span *ret_span)
{
	size_t start = find_local(text, at), top, end = find_domain(text, at + 1, &top);
	const char *domain = text->bytes + at + 1;

	if (start == at || end <= at + 1 || is_principal(text, start))
		return false;
	for (size_t i = top; i < end; i++)
		if (is_digit(text_at(text, i)) && !text_has(text, top, "xn--"))
			return false;
	if (is_listed(text->bytes + top, end - top, file_ends) ||
	    is_listed(domain, end - at - 1, public_domains) ||
	    ends_in(domain, end - at - 1, public_ends) ||
	    identity_index_keeps(index, domain, end - at - 1))
		return false;
	*ret_span = (struct identity_span){TL_IDENTITY_EMAIL, start, end};
	return true;
}
