/* Upload-Checksum: whatever stands in the header, only the right hash fits. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "desk/upload_checksum.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tl_auto(tl_upload_checksum) struct tl_upload_checksum *checksum = NULL;
	tl_free char *header = malloc(size + 1);
	struct tl_err err = TL_ERR_INIT;

	memcpy(header, data, size);
	header[size] = '\0';
	if (tl_upload_checksum_new(header, &checksum, &err) != 0) {
		if (checksum || !err.code)
			abort();
		return 0;
	}
	tl_upload_checksum_update(checksum, data, size);
	if (tl_upload_checksum_fits(checksum))
		abort(); /* a hash of itself */
	return 0;
}
