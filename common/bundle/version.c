/* Versions of packages. Part of towline/bundle_diff.h. */
#include <towline/bundle_diff.h>

#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Where a character stands among those that are no digits: '~' before the end, letters before the rest. */
static int rank(char c)
{
	if (c == '~')
		return -1;
	if (c == '\0' || is_digit(c))
		return 0;
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return c;
	return (unsigned char)c + 256;
}

static const char *after_zeros(const char *at)
{
	while (*at == '0')
		at++;
	return at;
}

/* Numbers of any length: the longer one is larger, then digit by digit. Both move behind it. */
static int compare_number(const char **a, const char **b)
{
	size_t a_len, b_len;
	int order;

	*a = after_zeros(*a);
	*b = after_zeros(*b);
	a_len = strspn(*a, "0123456789");
	b_len = strspn(*b, "0123456789");
	order = a_len != b_len ? (a_len < b_len ? -1 : 1) : strncmp(*a, *b, a_len);
	*a += a_len;
	*b += b_len;
	return order;
}

static int compare_part(const char *a, const char *b)
{
	int order = 0;

	while (order == 0 && (*a || *b)) {
		while ((*a && !is_digit(*a)) || (*b && !is_digit(*b))) {
			order = rank(*a) - rank(*b);
			if (order)
				return order;
			a += *a != '\0';
			b += *b != '\0';
		}
		order = compare_number(&a, &b);
	}
	return order;
}

/* "EPOCH:": digits before the first colon. */
static const char *skip_epoch(const char *version)
{
	size_t digits = strspn(version, "0123456789");

	return digits > 0 && version[digits] == ':' ? version + digits + 1 : version;
}

int tl_version_compare(const char *a, const char *b)
{
	const char *a_rest = skip_epoch(a), *b_rest = skip_epoch(b);
	const char *a_epoch = a_rest == a ? "0" : a, *b_epoch = b_rest == b ? "0" : b;
	int order = compare_number(&a_epoch, &b_epoch);

	return order ? order : compare_part(a_rest, b_rest);
}
