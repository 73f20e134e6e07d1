/* policy.yaml: whatever is in the file, scopes stay within those that exist and a refusal has a reason. */
#include <stdint.h>
#include <stdlib.h>

#include "helper/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tl_auto(tl_policy) struct tl_policy policy = {.scopes = 0};
	struct tl_err err = TL_ERR_INIT;
	int rc = tl_policy_parse((const char *)data, size, &policy, &err);

	if (rc == 0 && ((policy.scopes & ~TL_SCOPE_ALL) || policy.sessions_max_minutes > 720))
		abort();
	if (rc != 0 && err.text[0] == '\0')
		abort();
	return 0;
}
