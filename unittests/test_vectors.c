/* SPDX-License-Identifier: MIT
 *
 * Vectors: blocks, exhaustion, that a CPU's are its own.
 */
#include "suite.h"
#include "xen/arch/x86/vectors.h"

static void free_block(struct vector_place p, unsigned count)
{
    for (unsigned i = 0; i < count; i++, p.vector++)
        vectors_free(p);
}

static void test_blocks(void)
{
    for (unsigned count = 1; count <= VECTOR_BLOCK_MAX; count *= 2) {
        struct vector_place p;
        struct vector_use use;

        CU_ASSERT_EQUAL(vectors_alloc(1, count, 100, false, &p), 0);
        CU_ASSERT_EQUAL(p.vector % count, 0);
        CU_ASSERT_TRUE(p.vector >= VECTOR_DEVICE_FIRST &&
                       p.vector + count - 1 <= VECTOR_DEVICE_LAST);
        for (unsigned i = 0; i < count; i++) {
            use = vectors_look_up(1, p.vector + i);
            CU_ASSERT_TRUE(use.used && use.irq == 100 + i && !use.level);
        }
        CU_ASSERT_FALSE(vectors_look_up(0, p.vector).used);
        CU_ASSERT_EQUAL(vectors_count(1), count);
        free_block(p, count);
        CU_ASSERT_FALSE(vectors_look_up(1, p.vector).used);
    }
}

static void test_all(void)
{
    struct vector_place p[VECTOR_DEVICE_COUNT], one;

    for (unsigned i = 0; i < VECTOR_DEVICE_COUNT; i++)
        CU_ASSERT_EQUAL_FATAL(vectors_alloc(0, 1, (uint16_t)i, i % 2, &p[i]), 0);
    CU_ASSERT_EQUAL(vectors_alloc(0, 1, 999, false, &one), -XEN_ENOSPC);
    CU_ASSERT_EQUAL(vectors_alloc(1, 1, 999, true, &one), 0); /* another CPU's are free */
    CU_ASSERT_FALSE(vectors_claim((struct vector_place){0, one.vector}, 999, true));
    for (unsigned i = 0; i < VECTOR_DEVICE_COUNT; i++) {
        struct vector_use use = vectors_look_up(0, p[i].vector);

        CU_ASSERT_TRUE(use.used && use.irq == i && use.level == (i % 2 != 0));
        vectors_free(p[i]);
    }
    CU_ASSERT_TRUE(vectors_claim((struct vector_place){0, one.vector}, 999, true));
    vectors_free((struct vector_place){0, one.vector});
    vectors_free(one);
    vectors_free((struct vector_place){0, 0}); /* none: nothing happens */
    CU_ASSERT_EQUAL(vectors_count(0) + vectors_count(1), 0);
}

/* What was freed is not the next to be given out. */
static void test_rest(void)
{
    struct vector_place a, b;

    CU_ASSERT_EQUAL(vectors_alloc(2, 1, 1, false, &a), 0);
    vectors_free(a);
    CU_ASSERT_EQUAL(vectors_alloc(2, 1, 2, false, &b), 0);
    CU_ASSERT_NOT_EQUAL(a.vector, b.vector);
    vectors_free(b);
    CU_ASSERT_FALSE(vectors_look_up(2, 0x3f).used);
    CU_ASSERT_FALSE(vectors_look_up(2, 0xf0).used);
}

static const struct test_case cases[] = {{"blocks", test_blocks},
                                         {"all of a CPU's", test_all},
                                         {"rest after use", test_rest},
                                         {NULL, NULL}};

const struct suite suite_vectors = {"vectors", cases, NULL, NULL};
