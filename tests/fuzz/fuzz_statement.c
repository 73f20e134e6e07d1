/* Statements that somebody signed: what is read can be written, and reads the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <towline/statement.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tl_auto(tl_statement) struct tl_statement once = {.relay = ""}, twice = {.relay = ""};
	tl_auto(tl_buf) struct tl_buf first = TL_BUF_INIT(16384), second = TL_BUF_INIT(16384);
	struct tl_err err = TL_ERR_INIT;

	if (tl_statement_read((const char *)data, size, &once, &err) != 0)
		return 0;
	if (tl_statement_write(&once, &first, &err) != 0 ||
	    tl_statement_read(first.data, first.len, &twice, &err) != 0 ||
	    tl_statement_write(&twice, &second, &err) != 0 ||
	    strcmp(tl_buf_str(&first), tl_buf_str(&second)) != 0)
		abort();
	return 0;
}
