#include "identity_sample.h"

#include <stdlib.h>
#include <string.h>

static void push(struct tl_strv *list, const char *const *texts)
{
	for (; *texts; texts++)
		if (tl_strv_push(list, *texts) < 0)
			abort();
}

struct tl_identities *identity_sample(uint8_t key)
{
	tl_auto(tl_identity_names) struct tl_identity_names names = {.hosts = TL_STRV_INIT};
	struct tl_identities *identities = NULL;
	uint8_t bytes[TL_IDENTITY_KEY_LEN];

	memset(bytes, key, sizeof bytes);
	push(&names.hosts, (const char *const[]){"web01", "web01.corp.acme.com",
						 "frontend-production", "debian", NULL});
	push(&names.domains, (const char *const[]){"corp.acme.com", "acme.com", NULL});
	push(&names.users,
	     (const char *const[]){"alice", "christopher", "mark", "root", "ubuntu", NULL});
	push(&names.persons, (const char *const[]){"Alice Example", NULL});
	push(&names.keywords, (const char *const[]){"bluebird", "Operation Zulu", NULL});
	if (tl_identities_new(bytes, &names, &identities, NULL) < 0)
		abort();
	return identities;
}
