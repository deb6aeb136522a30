// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

// Written by script/calendar_vectors.py from Python's calendar. Do not edit.
uint256 constant END = 7289654400; // 2201-01-01
uint256 constant SAMPLES = 20000;
uint256 constant SHIPPED_SAMPLES = 1000;
bytes32 constant DAYS_DIGEST = 0xe8f1be8b094f9002b6f3c1584ed627e1eab23e97b4c95d215d0ef52993a0a85e;
bytes32 constant ADDED_DIGEST = 0x81f420dc379800a31d7192d1bbb84ada092d4f2d4d03c0e30ad1ed59bf5b77b1;
bytes32 constant BEGUN_DIGEST = 0xc17e2f2cea79f42285f071a051c9da8c880652bf99ce43e2c68a10145a90bdcc;
bytes32 constant SHIPPED_DIGEST = 0x4a5bab7b2713b4d6e7ca1675cc9c24fde734f5aa8f521e11ed0d518767e1183d;
