/* Range headers: a part must lie within the file. The first eight bytes are its size. */
#include <stdint.h>
#include <string.h>
#include <towline/attr.h>

#include "http/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tl_free char *header = NULL;
	uint64_t whole, first = 0, len = 0;

	if (size < sizeof whole)
		return 0;
	memcpy(&whole, data, sizeof whole);
	header = calloc(1, size - sizeof whole + 1);
	if (!header)
		return 0;
	memcpy(header, data + sizeof whole, size - sizeof whole);
	if (tl_range_parse(header, whole, &first, &len) == TL_RANGE_PART &&
	    (len == 0 || first >= whole || len > whole - first))
		__builtin_trap();
	return 0;
}
