// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

struct Log {
    bytes32[] topics;
    bytes data;
    address emitter;
}

/// The cheat codes of forge that these tests use.
interface Vm {
    function addr(uint256 key) external pure returns (address);
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function label(address account, string calldata name) external;

    function deployCode(string calldata artifact, bytes calldata constructorArgs) external returns (address);

    function prank(address sender) external;
    function startPrank(address sender) external;
    function stopPrank() external;
    function warp(uint256 time) external;
    function chainId(uint256 id) external;
    function etch(address account, bytes calldata code) external;
    function store(address account, bytes32 slot, bytes32 value) external;
    function load(address account, bytes32 slot) external view returns (bytes32);
    function assume(bool condition) external pure;
    function snapshotState() external returns (uint256 id);
    function revertToState(uint256 id) external returns (bool);

    function expectRevert() external;
    function expectRevert(bytes4 selector) external;
    function expectRevert(bytes calldata data) external;
    function expectPartialRevert(bytes4 selector) external;
    function expectEmit(bool topic1, bool topic2, bool topic3, bool data, address emitter) external;
    function expectEmit(bool topic1, bool topic2, bool topic3, bool data) external;
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);

    function readFile(string calldata path) external view returns (string memory);
    function readFileBinary(string calldata path) external view returns (bytes memory);
    function toString(uint256 value) external pure returns (string memory);
    function cool(address target) external;

    function assertTrue(bool condition, string calldata claim) external pure;
    function assertFalse(bool condition, string calldata claim) external pure;
    function assertEq(uint256 left, uint256 right, string calldata claim) external pure;
    function assertEq(address left, address right, string calldata claim) external pure;
    function assertEq(bytes32 left, bytes32 right, string calldata claim) external pure;
    function assertEq(bytes calldata left, bytes calldata right, string calldata claim) external pure;
    function assertEq(bool left, bool right, string calldata claim) external pure;
    function assertNotEq(uint256 left, uint256 right, string calldata claim) external pure;
    function assertNotEq(bytes32 left, bytes32 right, string calldata claim) external pure;
    function assertLe(uint256 left, uint256 right, string calldata claim) external pure;
    function assertLt(uint256 left, uint256 right, string calldata claim) external pure;
    function assertGe(uint256 left, uint256 right, string calldata claim) external pure;
}
