#include <towline/line.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <towline/crypto.h>
#include <towline/str.h>

#define VERSION "1"
#define TOKEN_BYTES 32
#define FIELDS 4

void tl_line_token(char token[static TL_LINE_TOKEN_LEN + 1])
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_SECRET_INIT(TL_LINE_TOKEN_LEN);
	unsigned char bytes[TOKEN_BYTES];

	tl_random(bytes, sizeof bytes);
	tl_base64url_encode(&text, bytes, sizeof bytes);
	snprintf(token, TL_LINE_TOKEN_LEN + 1, "%s", tl_buf_str(&text));
	tl_wipe(bytes, sizeof bytes);
}

void tl_line_hello_write(const struct tl_line_hello *hello, char text[static TL_LINE_HELLO_MAX])
{
	snprintf(text, TL_LINE_HELLO_MAX, VERSION " %s %" PRIu64 " %" PRId64,
		 hello->token[0] ? hello->token : "-", hello->received, hello->gap_ms);
}

static int parse_token(const char *text, struct tl_line_hello *hello)
{
	tl_auto(tl_buf) struct tl_buf bytes = TL_BUF_SECRET_INIT(TOKEN_BYTES);

	if (tl_streq(text, "-"))
		return 0;
	if (strlen(text) != TL_LINE_TOKEN_LEN ||
	    tl_base64url_decode(&bytes, text, TL_LINE_TOKEN_LEN) != 0)
		return TL_EINVAL;
	snprintf(hello->token, sizeof hello->token, "%s", text);
	return 0;
}

int tl_line_hello_parse(const char *text, struct tl_line_hello *ret_hello)
{
	struct tl_line_hello hello = {.token = ""};
	char copy[TL_LINE_HELLO_MAX];
	char *fields[FIELDS], *at = copy;
	size_t len = strlen(text), count = 0;

	if (len >= sizeof copy)
		return TL_EINVAL;
	memcpy(copy, text, len + 1);
	while (at && count < FIELDS)
		fields[count++] = strsep(&at, " ");
	if (!tl_streq(fields[0], VERSION))
		return TL_EUNSUPPORTED;
	if (at || count != FIELDS || parse_token(fields[1], &hello) != 0 ||
	    tl_str_u64(fields[2], UINT64_MAX, &hello.received) != 0 ||
	    tl_str_i64(fields[3], 0, TL_LINE_GAP_MAX_MS, &hello.gap_ms) != 0)
		return TL_EINVAL;
	*ret_hello = hello;
	return 0;
}
