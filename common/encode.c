/* Hexadecimal and base64 (RFC 4648), strict and canonical. Part of towline/str.h. */
#include <towline/str.h>

#include <string.h>
#include <towline/err.h>

void tl_hex_encode(const void *bytes, size_t len, char *hex)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *at = bytes;

	for (size_t i = 0; i < len; i++) {
		*hex++ = digits[at[i] >> 4];
		*hex++ = digits[at[i] & 15];
	}
	*hex = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int tl_hex_decode(const char *hex, void *ret_bytes, size_t len)
{
	uint8_t *out = ret_bytes;

	if (strnlen(hex, 2 * len + 1) != 2 * len)
		return TL_EINVAL;
	for (size_t i = 0; i < 2 * len; i++)
		if (hex_digit(hex[i]) < 0)
			return TL_EINVAL;
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(hex_digit(hex[2 * i]) * 16 + hex_digit(hex[2 * i + 1]));
	return 0;
}

bool tl_str_is_sha256(const char *text)
{
	return text && strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

/* The two alphabets differ in their last two characters only. */
struct alphabet {
	char c62, c63;
	bool padded;
};

static const struct alphabet standard = {'+', '/', true};
static const struct alphabet url_safe = {'-', '_', false};

static char encode_digit(const struct alphabet *alphabet, unsigned value)
{
	if (value < 26)
		return (char)('A' + value);
	if (value < 52)
		return (char)('a' + value - 26);
	if (value < 62)
		return (char)('0' + value - 52);
	return value == 62 ? alphabet->c62 : alphabet->c63;
}

static int decode_digit(const struct alphabet *alphabet, char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == alphabet->c62)
		return 62;
	return c == alphabet->c63 ? 63 : -1;
}

static void encode(const struct alphabet *alphabet, struct tl_buf *out, const uint8_t *in,
		   size_t len)
{
	size_t groups = len / 3, rest = len % 3;
	size_t tail = rest == 0 ? 0 : alphabet->padded ? 4 : rest + 1;
	char *at;

	if (len > SIZE_MAX / 2) {
		out->failed = true;
		return;
	}
	at = tl_buf_reserve(out, groups * 4 + tail);
	if (!at)
		return;
	for (size_t i = 0; i < len; i += 3) {
		size_t have = len - i < 3 ? len - i : 3;
		unsigned bits = (unsigned)in[i] << 16 | (have > 1 ? (unsigned)in[i + 1] << 8 : 0) |
				(have > 2 ? in[i + 2] : 0u);

		for (size_t k = 0; k <= have; k++)
			*at++ = encode_digit(alphabet, bits >> (18 - 6 * k) & 63);
		for (size_t k = have; k < 3 && alphabet->padded; k++)
			*at++ = '=';
	}
	tl_buf_commit(out, groups * 4 + tail);
}

/* Removes the padding that `text` must have; TL_EINVAL when it has not exactly that. */
static int strip_padding(const char *text, size_t *len)
{
	if (*len % 4)
		return TL_EINVAL;
	for (int i = 0; i < 2 && *len && text[*len - 1] == '='; i++)
		--*len;
	return 0;
}

static int decode(const struct alphabet *alphabet, struct tl_buf *out, const char *text, size_t len)
{
	size_t start = out->len;
	unsigned bits = 0, have = 0;

	if (alphabet->padded && strip_padding(text, &len))
		return TL_EINVAL;
	if (len % 4 == 1)
		return TL_EINVAL;
	if (!tl_buf_reserve(out, len / 4 * 3 + (len % 4 ? len % 4 - 1 : 0)))
		return tl_buf_check(out);
	for (size_t i = 0; i < len; i++) {
		int digit = decode_digit(alphabet, text[i]);

		if (digit < 0)
			break;
		bits = bits << 6 | (unsigned)digit;
		have += 6;
		if (have >= 8) {
			have -= 8;
			tl_buf_putc(out, (char)(uint8_t)(bits >> have));
			bits &= (1u << have) - 1;
		}
		if (i + 1 == len && bits == 0)
			return 0;
	}
	if (len == 0)
		return 0;
	out->len = start;
	out->data[start] = '\0';
	return TL_EINVAL;
}

void tl_base64url_encode(struct tl_buf *out, const void *bytes, size_t len)
{
	encode(&url_safe, out, bytes, len);
}

int tl_base64url_decode(struct tl_buf *out, const char *text, size_t len)
{
	return decode(&url_safe, out, text, len);
}

void tl_base64_encode(struct tl_buf *out, const void *bytes, size_t len)
{
	encode(&standard, out, bytes, len);
}

int tl_base64_decode(struct tl_buf *out, const char *text, size_t len)
{
	return decode(&standard, out, text, len);
}
