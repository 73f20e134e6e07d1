/* A host's names for tests of pseudonyms. */
#ifndef TESTS_UNIT_REDACT_IDENTITY_SAMPLE_H
#define TESTS_UNIT_REDACT_IDENTITY_SAMPLE_H

#include "redact/identity.h"

/* Every byte of the key is `key`. Ends the program when it fails. */
struct tl_identities *identity_sample(uint8_t key);

#endif
