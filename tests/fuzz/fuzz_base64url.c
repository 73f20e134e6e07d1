/* One text has one encoding: what decodes must encode to itself. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <towline/err.h>
#include <towline/str.h>

typedef int decode_function(struct tl_buf *out, const char *text, size_t len);
typedef void encode_function(struct tl_buf *out, const void *bytes, size_t len);

static void round_trip(decode_function *decode, encode_function *encode, const uint8_t *data,
		       size_t size)
{
	tl_auto(tl_buf) struct tl_buf bytes = TL_BUF_INIT(size), text = TL_BUF_INIT(size);

	if (decode(&bytes, (const char *)data, size))
		return;
	encode(&text, tl_buf_str(&bytes), bytes.len);
	if (tl_buf_check(&text) || text.len != size || (size && memcmp(text.data, data, size) != 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	round_trip(tl_base64url_decode, tl_base64url_encode, data, size);
	round_trip(tl_base64_decode, tl_base64_encode, data, size);
	return 0;
}
