#include "redact/punycode.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <towline/str.h>

/* Parameters and names of RFC 3492, section 5. */
#define BASE 36
#define T_MIN 1
#define T_MAX 26
#define SKEW 38
#define DAMP 700
#define INITIAL_BIAS 72
#define INITIAL_N 128
#define PREFIX "xn--"
#define POINT_MAX 0x10ffff

static uint32_t adapt(uint32_t delta, uint32_t points, bool first)
{
	uint32_t k = 0;

	delta = first ? delta / DAMP : delta / 2;
	delta += delta / points;
	for (; delta > ((BASE - T_MIN) * T_MAX) / 2; k += BASE)
		delta /= BASE - T_MIN;
	return k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

static uint32_t threshold(uint32_t k, uint32_t bias)
{
	if (k <= bias)
		return T_MIN;
	return k - bias > T_MAX ? T_MAX : k - bias;
}

/* Code points of valid UTF-8. */
static size_t read_points(const char *text, size_t len, uint32_t points[static PUNYCODE_LABEL_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < len;) {
		unsigned char lead = (unsigned char)text[i++];
		unsigned more = lead < 0xc0 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
		uint32_t point = more == 0 ? lead : lead & (0x3fu >> more);

		for (; more > 0 && i < len; more--)
			point = point << 6 | ((unsigned char)text[i++] & 0x3f);
		points[count++] = point;
	}
	return count;
}

static void put_point(struct tl_buf *out, uint32_t point)
{
	if (point < 0x80) {
		tl_buf_putc(out, (char)point);
		return;
	}
	if (point < 0x800) {
		tl_buf_putc(out, (char)(0xc0 | point >> 6));
	} else {
		if (point < 0x10000) {
			tl_buf_putc(out, (char)(0xe0 | point >> 12));
		} else {
			tl_buf_putc(out, (char)(0xf0 | point >> 18));
			tl_buf_putc(out, (char)(0x80 | (point >> 12 & 0x3f)));
		}
		tl_buf_putc(out, (char)(0x80 | (point >> 6 & 0x3f)));
	}
	tl_buf_putc(out, (char)(0x80 | (point & 0x3f)));
}

static void put_digit(struct tl_buf *out, uint32_t digit)
{
	tl_buf_putc(out, (char)(digit < 26 ? 'a' + digit : '0' + (digit - 26)));
}

static void put_delta(struct tl_buf *out, uint32_t delta, uint32_t bias)
{
	for (uint32_t k = BASE;; k += BASE) {
		uint32_t t = threshold(k, bias);

		if (delta < t)
			break;
		put_digit(out, t + (delta - t) % (BASE - t));
		delta = (delta - t) / (BASE - t);
	}
	put_digit(out, delta);
}

static void encode_points(const uint32_t *points, size_t count, uint32_t basic, struct tl_buf *out)
{
	uint32_t n = INITIAL_N, delta = 0, bias = INITIAL_BIAS;

	for (uint32_t handled = basic; handled < count; delta++, n++) {
		uint32_t smallest = UINT32_MAX;

		for (size_t i = 0; i < count; i++)
			if (points[i] >= n && points[i] < smallest)
				smallest = points[i];
		delta += (smallest - n) * (handled + 1);
		n = smallest;
		for (size_t i = 0; i < count; i++) {
			if (points[i] < n)
				delta++;
			if (points[i] != n)
				continue;
			put_delta(out, delta, bias);
			bias = adapt(delta, handled + 1, handled == basic);
			delta = 0;
			handled++;
		}
	}
}

bool punycode_encode(const char *label, size_t len, struct tl_buf *out)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(8 * PUNYCODE_LABEL_MAX);
	uint32_t points[PUNYCODE_LABEL_MAX];
	uint32_t basic = 0;
	size_t count;

	if (len == 0 || len > PUNYCODE_LABEL_MAX || !tl_str_is_utf8(label, len))
		return false;
	count = read_points(label, len, points);
	for (size_t i = 0; i < count; i++) {
		if (points[i] >= INITIAL_N)
			continue;
		tl_buf_putc(&text, (char)points[i]);
		basic++;
	}
	if (basic < count) {
		tl_buf_puts(out, PREFIX);
		if (basic > 0)
			tl_buf_putc(&text, '-');
		encode_points(points, count, basic, &text);
	}
	tl_buf_append(out, tl_buf_str(&text), text.len);
	return true;
}

static bool read_digit(char c, uint32_t *ret_digit)
{
	if (c >= '0' && c <= '9')
		*ret_digit = (uint32_t)(c - '0') + 26;
	else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
		*ret_digit = (uint32_t)((c | 0x20) - 'a');
	else
		return false;
	return true;
}

/* One delta; false when it does not end or is too large. */
static bool read_delta(const char *text, size_t len, size_t *at, uint32_t bias, uint32_t *ret_delta)
{
	uint32_t delta = 0, weight = 1;

	for (uint32_t k = BASE; *at < len; k += BASE) {
		uint32_t digit, t = threshold(k, bias);

		if (!read_digit(text[(*at)++], &digit) || digit > (UINT32_MAX - delta) / weight)
			return false;
		delta += digit * weight;
		if (digit < t) {
			*ret_delta = delta;
			return true;
		}
		if (weight > UINT32_MAX / (BASE - t))
			return false;
		weight *= BASE - t;
	}
	return false;
}

static bool decode_points(const char *text, size_t len, uint32_t points[static PUNYCODE_LABEL_MAX],
			  size_t *count)
{
	uint32_t n = INITIAL_N, i = 0, bias = INITIAL_BIAS;

	for (size_t at = 0; at < len;) {
		uint32_t delta, size = (uint32_t)*count + 1;

		if (!read_delta(text, len, &at, bias, &delta) || delta > UINT32_MAX - i ||
		    size > PUNYCODE_LABEL_MAX)
			return false;
		bias = adapt(delta, size, i == 0);
		i += delta;
		if (i / size > POINT_MAX - n)
			return false;
		n += i / size;
		i %= size;
		memmove(points + i + 1, points + i, (*count - i) * sizeof *points);
		points[i++] = n;
		++*count;
	}
	return true;
}

bool punycode_decode(const char *label, size_t len, struct tl_buf *out)
{
	uint32_t points[PUNYCODE_LABEL_MAX + 1];
	const char *dash;
	size_t count = 0;

	if (len > PUNYCODE_LABEL_MAX)
		return false;
	if (len <= strlen(PREFIX) || strncasecmp(label, PREFIX, strlen(PREFIX)) != 0) {
		tl_buf_append(out, label, len);
		return true;
	}
	label += strlen(PREFIX);
	len -= strlen(PREFIX);
	dash = memrchr(label, '-', len);
	while (dash && count < (size_t)(dash - label)) {
		points[count] = (unsigned char)label[count];
		count++;
	}
	if (dash) {
		len -= (size_t)(dash + 1 - label);
		label = dash + 1;
	}
	if (!decode_points(label, len, points, &count))
		return false;
	for (size_t i = 0; i < count; i++)
		put_point(out, points[i]);
	return true;
}

typedef bool translate(const char *label, size_t len, struct tl_buf *out);

static void translate_name(const char *name, size_t len, translate *function, struct tl_buf *out)
{
	size_t start = 0;

	while (start <= len) {
		const char *dot = memchr(name + start, '.', len - start);
		size_t end = dot ? (size_t)(dot - name) : len;

		if (!function(name + start, end - start, out))
			tl_buf_append(out, name + start, end - start);
		if (dot)
			tl_buf_putc(out, '.');
		start = end + 1;
	}
}

void punycode_encode_name(const char *name, size_t len, struct tl_buf *out)
{
	translate_name(name, len, punycode_encode, out);
}

void punycode_decode_name(const char *name, size_t len, struct tl_buf *out)
{
	translate_name(name, len, punycode_decode, out);
}
