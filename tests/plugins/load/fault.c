/* Libraries that go wrong as they are loaded; -DFAULT_... says how. The plugin's name is NAME. */
#include "candor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef MAGIC
#define MAGIC CANDOR_MAGIC
#endif
#ifndef VERSION
#define VERSION CANDOR_ABI
#endif
#ifndef SIZE
#define SIZE sizeof(CandorPlugin)
#endif
#ifndef SCHEMA
#define SCHEMA "{}"
#endif
#ifndef READS
#define READS "key"
#endif
#ifndef SAYS
#define SAYS NAME
#endif

__attribute__((constructor)) static void at_load(void)
{
#if defined(FAULT_HANG)
    /* What it started has to end with it. */
    if (fork() == 0)
        for (;;)
            pause();
    for (;;)
        pause();
#elif defined(FAULT_SEGFAULT)
    *(volatile int *)8 = 1;
#elif defined(FAULT_ABORT)
    abort();
#elif defined(FAULT_EXIT)
    exit(3);
#elif defined(FAULT_LEAVE)
    _exit(0);
#elif defined(FAULT_GARBAGE)
    printf("%s\n", "{\"ok\": [\xff\xfe");
    fflush(stdout);
    _exit(0);
#elif defined(FAULT_TALKS)
    printf("hello from the constructor\n");
    fflush(stdout);
#endif
}

#if !defined(FAULT_NO_SYMBOL)
static CandorStatus fails(const CandorHost *host, CandorStr config, void **out)
{
    (void)host, (void)config, (void)out;
    return CANDOR_FATAL;
}

static const CandorStr NAMES[] = {CANDOR_STR(READS)};

/* All but `create` and `reads` is missing. */
static const CandorDetectorVtable DETECTOR = {{NAMES, 1}, fails, NULL, NULL, NULL, NULL, NULL};

static const CandorPlugin PLUGIN = {
    MAGIC, VERSION, SIZE, CANDOR_STR(SAYS), CANDOR_STR("0.1.0"), CANDOR_STR(SCHEMA), NULL, &DETECTOR, NULL, NULL,
};

const CandorPlugin *candor_plugin_v1(void)
{
#if defined(FAULT_NULL)
    (void)&PLUGIN;
    return NULL;
#elif defined(FAULT_MISALIGNED)
    return (const CandorPlugin *)((const char *)&PLUGIN + 1);
#else
    return &PLUGIN;
#endif
}
#endif
