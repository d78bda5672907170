# What npm and Electron's rebuilder call. CMakeLists.txt is the build definition; this only runs it.
{
  "targets": [
    {
      "target_name": "bertcnn",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["lib/bertcnn.node"],
          "action": ["node", "scripts/build.mjs"],
        },
      ],
    },
  ],
}
