/* Upload-Metadata: from any host, before anything else of an upload is looked at. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "desk/upload_meta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *header = malloc(size + 1);
	struct tl_upload_meta meta;
	struct tl_err err = TL_ERR_INIT;

	if (!header)
		return 0;
	memcpy(header, data, size);
	header[size] = '\0';
	if (tl_upload_meta_parse(header, &meta, &err) == 0 && !meta.kind[0])
		abort();
	free(header);
	return 0;
}
