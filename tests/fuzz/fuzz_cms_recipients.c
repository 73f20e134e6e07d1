/* The relay reads from a sealed bundle's beginning whom it is for. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <towline/sealed.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tl_json *list = NULL;
	struct tl_err err = TL_ERR_INIT;
	int r = tl_sealed_recipients(data, size, &list, &err);

	if (r == 0 && (!tl_sealed_is(data, size) || json_array_size(list) == 0))
		abort();
	if (r != 0 && list)
		abort();
	return 0;
}
