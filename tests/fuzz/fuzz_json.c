/* Strict parsing, then writing and parsing again: the second reading must equal the first. */
#include <stdint.h>
#include <stdlib.h>
#include <towline/json.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(1 << 24);
	tl_json *first = NULL, *second = NULL;
	struct tl_err err = TL_ERR_INIT;

	if (tl_json_parse((const char *)data, size, &first, &err))
		return 0;
	tl_json_write(&text, first);
	if (tl_buf_check(&text))
		return 0;
	if (tl_json_parse(text.data, text.len, &second, &err) || !json_equal(first, second))
		abort();
	return 0;
}
